"""detect tells uplink "look": a datagram on a Unix socket. A lost one costs one poll."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable
from pathlib import Path

log = logging.getLogger(__name__)

SOCKET_FILE = "uplink.sock"
_LISTEN_S = 0.5


class Bell:
    """Rings for the uplink of a state folder; nobody there is no error."""

    def __init__(self, state: Path) -> None:
        self._path = str((state / SOCKET_FILE).absolute())
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    def ring(self) -> None:
        """Say "look"."""
        try:
            self._socket.sendto(b"look", self._path)
        except OSError:  # no uplink, a full socket or a long path: the poll finds the row
            log.debug("the uplink was not woken")

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


class Listener:
    """Hears the bell, in a thread of its own.

    Args:
        state: The state folder; the socket's file in it is made anew, so that a killed uplink
            leaves no trouble behind.
        on_ring: Called for every datagram, from the listener's thread; must only pass it on.
    """

    def __init__(self, state: Path, on_ring: Callable[[], None]) -> None:
        self._path = (state / SOCKET_FILE).absolute()
        self._on_ring = on_ring
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="listener", daemon=True)
        if self._bind():
            self._thread.start()

    def close(self) -> None:
        """Stop listening and remove the socket's file."""
        self._closed.set()
        if self._thread.is_alive():
            self._thread.join(2 * _LISTEN_S)
            self._path.unlink(missing_ok=True)
        self._socket.close()

    def _bind(self) -> bool:
        try:
            self._path.unlink(missing_ok=True)
            self._socket.bind(str(self._path))
            self._path.chmod(0o660)
        except OSError as error:  # for example a path of more than 107 bytes
            log.warning("no socket at %s (%s): the outbox is only polled", self._path, error)
            return False
        self._socket.settimeout(_LISTEN_S)
        return True

    def _listen(self) -> None:
        while not self._closed.is_set():
            try:
                self._socket.recv(16)
            except TimeoutError:
                continue
            except OSError as error:
                log.warning("the socket fails (%s): the outbox is only polled", error)
                return
            self._on_ring()
