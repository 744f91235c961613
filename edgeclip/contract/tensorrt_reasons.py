"""TensorRT's failures as errors: each result is checked at once, with the logger's reason.

TensorRT answers a failure with None or False and keeps the reason in its logger, nowhere else.
"""

from __future__ import annotations

from collections import deque
from typing import Any, TypeVar

from edgeclip.errors import BackendError, GpuError

_KEPT_LINES = 4
_LINE_CHARS = 300
_OF_THE_GPU = ("memory", "cuda runtime", "cuda error", "cuda failure")

ResultT = TypeVar("ResultT")


class Reasons:
    """The last errors that TensorRT logged, and the errors that are raised with them.

    Args:
        api: The accessor, `edgeclip.contract.tensorrt_api.TensorRtApi`.
    """

    def __init__(self, api: Any) -> None:
        self._api = api
        self._lines: deque[str] = deque(maxlen=_KEPT_LINES)

    def logger(self) -> Any:
        """Return a logger that keeps errors; the class exists once TensorRT is loaded."""
        api, lines = self._api, self._lines

        class Logger(api.ILogger):  # type: ignore[misc, name-defined]  # of what was loaded
            def __init__(self) -> None:
                api.ILogger.__init__(self)

            def log(self, severity: Any, msg: str) -> None:
                if severity <= api.ILogger.Severity.ERROR:
                    lines.append(" ".join(msg.split())[:_LINE_CHARS])

        return Logger()

    def made(self, result: ResultT | None, what: str) -> ResultT:
        """Return a result that is there.

        Args:
            result: What TensorRT answered.
            what: What failed where it is None or False.

        Raises:
            BackendError: It is; `what` and the logger's reason are in the message.
        """
        if result is None or result is False:
            raise self.error(what)
        return result

    def error(self, what: str) -> BackendError:
        """Return an error that says what failed, with the logger's reasons since the last.

        It is a `GpuError` where these speak of the GPU or its memory.
        """
        reason = "; ".join(self._lines) or "its logger is silent"
        self._lines.clear()  # a later failure has reasons of its own
        is_of_gpu = any(words in reason.lower() for words in _OF_THE_GPU)
        return (GpuError if is_of_gpu else BackendError)(f"TensorRT: {what}: {reason}")
