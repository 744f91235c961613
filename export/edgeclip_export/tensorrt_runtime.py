"""The installed TensorRT as the exporter sees it: accessor, machine, checked results, reasons.

TensorRT answers a failure with None or False and keeps the reason in its logger, so each result is
checked at once and raised with the logger's last lines.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, TypeVar

from edgeclip.contract.engine_key import Machine, Runtime
from edgeclip.contract.gpu import find_gpu
from edgeclip.contract.tensorrt_api import TensorRtApi
from edgeclip.errors import BackendError

if TYPE_CHECKING:
    import tensorrt as trt  # type: ignore[import-not-found, unused-ignore]  # stubs may be absent
else:
    trt = TensorRtApi()

__all__ = ["Reasons", "module_name", "this_machine", "trt"]

_KEPT_LINES = 4
_LINE_CHARS = 300

ResultT = TypeVar("ResultT")


def module_name() -> str:
    """Return which runtime is installed: `tensorrt` or `tensorrt_rtx`.

    Raises:
        SetupError: None is.
    """
    name: str = trt.module_name  # type: ignore[attr-defined, unused-ignore]  # the accessor's own
    return name


def this_machine() -> Machine:
    """Return the runtime and GPU here, which bind an engine.

    Raises:
        SetupError: No TensorRT is installed.
    """
    runtime: Runtime = "tensorrt_rtx" if module_name() == "tensorrt_rtx" else "tensorrt"
    return Machine.of(runtime, trt.__version__, find_gpu())


class Reasons:
    """The last errors that TensorRT logged, and the errors that are raised with them."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=_KEPT_LINES)

    def logger(self) -> trt.ILogger:
        """Return a logger that keeps errors; the class exists once TensorRT is loaded."""
        lines = self._lines

        class Logger(trt.ILogger):  # type: ignore[misc, unused-ignore]  # Any without stubs
            def __init__(self) -> None:
                trt.ILogger.__init__(self)

            def log(self, severity: trt.ILogger.Severity, msg: str) -> None:
                if severity <= trt.ILogger.Severity.ERROR:
                    lines.append(" ".join(msg.split())[:_LINE_CHARS])

        return Logger()

    def made(self, result: ResultT | None, what: str) -> ResultT:
        """Return a result that is there.

        Raises:
            BackendError: It is None or False; `what` and the logger's reason are in the message.
        """
        if result is None or result is False:
            raise self.error(what)
        return result

    def error(self, what: str) -> BackendError:
        """Return an error that says what failed, with the logger's reason."""
        return BackendError(f"TensorRT: {what}: {'; '.join(self._lines) or 'its logger is silent'}")
