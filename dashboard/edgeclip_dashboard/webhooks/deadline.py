"""A deadline for a whole answer: time-outs of reads alone let one come drop by drop, for hours."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Mapping
from typing import Any, Final

_OPENED: Final = ("connect_tcp.complete", "start_tls.complete")
_WAITED_FOR: Final = ("start_tls.started", "receive_response_headers.started")
_WAITED: Final = ("start_tls.complete", "start_tls.failed")


class AnswerDeadline:
    """Ends the connections of one client when an answer takes too long; httpx tells it all.

    The clock runs while the other side is waited for: during its part of the TLS handshake, and
    from the end of the request to the end of the answer. What is sent has its own time-outs. One
    request after the other: what is open besides is idle, and is opened again.

    Args:
        longest_s: How long an answer may take, headers and body together.
    """

    def __init__(self, longest_s: float) -> None:
        self.longest_s = longest_s
        self._sockets: list[socket.socket] = []
        self._shaking: socket.socket | None = None
        self._timer: threading.Timer | None = None
        self._is_over = False

    @property
    def is_over(self) -> bool:
        """Whether the answer of the newest request took too long."""
        return self._is_over

    def renew(self) -> None:
        """Forget the request before."""
        self._is_over = False

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Follow a request: httpx's extension `trace`, called in the thread of the request."""
        if event.endswith(_OPENED):
            found = info["return_value"].get_extra_info("socket")
            self._sockets = [one for one in (*self._sockets, found) if one.fileno() >= 0]
        if event.endswith("start_tls.started"):
            self._shaking = self._sockets[-1].dup()  # TLS takes the descriptor from the plain one
        if event.endswith(_WAITED_FOR):
            self._begin()
        elif event.endswith(_WAITED):
            self.end()

    def end(self) -> None:
        """Stop the clock: the answer is here, or there is none."""
        if self._shaking is not None:
            self._shaking.close()
            self._shaking = None
        self._stop()

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _begin(self) -> None:
        self._stop()
        self._timer = threading.Timer(self.longest_s, self._run_out)
        self._timer.daemon = True
        self._timer.start()

    def _run_out(self) -> None:
        self._is_over = True
        for one in (*self._sockets, *([self._shaking] if self._shaking else ())):
            with contextlib.suppress(OSError):  # it is closed already
                # of the plain class: that of TLS forgets its state while another thread reads
                socket.socket.shutdown(one, socket.SHUT_RDWR)
