"""What wakes a device: a file that turns to 1 or is written to, or a datagram on a socket."""

from __future__ import annotations

import contextlib
import select
import socket
import time
from pathlib import Path
from typing import Protocol

from edgeclip.errors import SetupError

_SOCKET = "socket:"
_POLL_S = 0.1  # of a file: a PIR holds its line for seconds
_DATAGRAM_BYTES = 64


class Trigger(Protocol):
    """Something that fires."""

    def wait(self, patience_s: float) -> bool:
        """Wait for it, at most so long; say whether it has fired since the last call."""

    def close(self) -> None:
        """Give it back."""


def open_trigger(text: str) -> Trigger:
    """Return the trigger that a configuration names.

    Args:
        text: `[power].trigger`: a file, or socket:/PATH.

    Raises:
        SetupError: The socket cannot be made.
    """
    if text.startswith(_SOCKET):
        return SocketTrigger(Path(text.removeprefix(_SOCKET)))
    return FileTrigger(Path(text))


class FileTrigger:
    """Fires while a file says 1 (a GPIO), and once whenever it is written to.

    A file that is missing never fires: it may come.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._changed_ns = self._time_of_change()

    def wait(self, patience_s: float) -> bool:
        """Wait for it, at most so long; say whether it fires."""
        deadline = time.monotonic() + patience_s
        while not self._fires():
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                return False
            time.sleep(min(_POLL_S, left_s))
        return True

    def close(self) -> None:
        """Nothing is held."""

    def _fires(self) -> bool:
        changed_ns = self._time_of_change()
        is_new = changed_ns != self._changed_ns and changed_ns is not None
        self._changed_ns = changed_ns
        try:
            says = self._path.read_bytes()[:8].strip()
        except OSError:
            return False
        return says == b"1" or (is_new and says != b"0")

    def _time_of_change(self) -> int | None:
        try:
            return self._path.stat().st_mtime_ns
        except OSError:
            return None


class SocketTrigger:
    """Fires for every datagram on a Unix socket, which is made anew.

    Raises:
        SetupError: It cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            path.unlink(missing_ok=True)
            self._socket.bind(str(path))
            path.chmod(0o660)
        except OSError as error:
            self._socket.close()
            raise SetupError(
                f"[power].trigger: no socket can be made at {path} ({error.strerror or error}):"
                " name a path in /run/edgeclip"
            ) from error
        self._socket.setblocking(False)

    def wait(self, patience_s: float) -> bool:
        """Wait for a datagram, at most so long; say whether one came."""
        ready, _, _ = select.select([self._socket], [], [], patience_s)
        if not ready:
            return False
        with contextlib.suppress(BlockingIOError):
            while True:  # all that came count as one
                self._socket.recv(_DATAGRAM_BYTES)
        return True

    def close(self) -> None:
        """Remove the socket."""
        self._socket.close()
        self._path.unlink(missing_ok=True)
