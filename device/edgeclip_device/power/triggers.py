"""What wakes a device: a file that turns to 1 or is written to, or a datagram on a socket."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import stat
import time
from pathlib import Path
from typing import Protocol

from edgeclip.errors import ConfigError

_SOCKET = "socket:"
_POLL_S = 0.1  # of a file: a PIR holds its line for seconds
_DATAGRAM_BYTES = 64
_FILE_BYTES = 8


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
        ConfigError: The socket cannot be made, or the path is something else.
    """
    if text.startswith(_SOCKET):
        return SocketTrigger(Path(text.removeprefix(_SOCKET)))
    return FileTrigger(Path(text))


class FileTrigger:
    """Fires while a file says 1 (a GPIO), and once whenever it is written to.

    A file that is missing never fires: it may come.

    Raises:
        ConfigError: It is no file: to read a FIFO is to wait for whoever writes.
    """

    def __init__(self, path: Path) -> None:
        if path.exists() and not path.is_file():
            raise ConfigError(
                f"[power].trigger: {path} is no file: name one, or socket:/run/edgeclip/trigger"
            )
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
        says = _beginning(self._path)
        if says is None:
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
        ConfigError: It cannot be made, or something else lies there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            _remove_socket(path)
            self._socket.bind(str(path))
            path.chmod(0o660)
        except OSError as error:
            self._socket.close()
            raise ConfigError(
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
        _remove_socket(self._path)


def _remove_socket(path: Path) -> None:
    """Remove a socket; anything else that lies there is somebody's and stays."""
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISSOCK(path.lstat().st_mode):
            path.unlink()


def _beginning(path: Path) -> bytes | None:
    """Return the first bytes of a file; None of what is none, without waiting for it."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
            return os.read(descriptor, _FILE_BYTES).strip() if is_file else None
        finally:
            os.close(descriptor)
    except OSError:
        return None
