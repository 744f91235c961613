"""Words to systemd: ready, status, watchdog, stopping. Silent where systemd did not start us."""

from __future__ import annotations

import logging
import os
import socket
import time

log = logging.getLogger(__name__)

_FIRST_FRAME_S = 60.0


class Notifier:
    """Sends to systemd's datagram socket, whose name is in `NOTIFY_SOCKET`.

    Raises:
        OSError: Never; a socket that is gone is logged once.
    """

    def __init__(self) -> None:
        address = os.environ.get("NOTIFY_SOCKET")
        if address and address.startswith("@"):
            address = "\0" + address[1:]  # an abstract socket
        self._address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) if address else None
        self._interval_s = _watchdog_interval_s()
        self._fed_at: float | None = None
        self._status = ""
        self._is_ready = False
        self.near_misses = 0  # times that the watchdog waited more than half of its limit

    @property
    def interval_s(self) -> float | None:
        """How often the watchdog wants to be fed: half of its limit; None where there is none."""
        return self._interval_s

    def ready(self) -> None:
        """Say that the service does its work from now on."""
        self._is_ready = True
        self._send("READY=1")

    def stopping(self) -> None:
        """Say that the service ends."""
        self._send("STOPPING=1")

    def status(self, line: str) -> None:
        """Show a line in `systemctl status`, if it is a new one."""
        if line != self._status:
            self._status = line
            self._send(f"STATUS={line}")

    def busy(self, seconds: float) -> None:
        """Ask for so much time in which nothing is said, for example while an engine is loaded.

        Before `ready` the start may take longer; after it the watchdog waits, until `at_work`.
        """
        if not self._is_ready:
            self._send(f"EXTEND_TIMEOUT_USEC={int(seconds * 1e6)}")
        elif self._interval_s is not None:
            self._send(f"WATCHDOG_USEC={int(max(seconds, 2 * self._interval_s) * 1e6)}")

    def at_work(self) -> None:
        """Say that all is loaded: a first frame has a minute, and the watchdog is itself again."""
        if not self._is_ready:
            self.busy(_FIRST_FRAME_S)
        elif self._interval_s is not None:
            self._send(f"WATCHDOG_USEC={int(2 * self._interval_s * 1e6)}")

    def feed(self) -> None:
        """Feed the watchdog, if it is time."""
        if self._interval_s is None:
            return
        now = time.monotonic()
        waited_s = self._interval_s if self._fed_at is None else now - self._fed_at
        if waited_s >= self._interval_s / 2:
            self.near_misses += waited_s > self._interval_s
            self._fed_at = now
            self._send("WATCHDOG=1")

    def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, message: str) -> None:
        if self._socket is None or self._address is None:
            return
        try:
            self._socket.sendto(message.encode(), self._address)
        except OSError as error:
            log.warning("systemd cannot be told %s: %s", message.split("=")[0], error)
            self.close()


def _watchdog_interval_s() -> float | None:
    text, pid = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID")
    if not text.isdigit() or int(text) == 0 or pid not in (None, str(os.getpid())):
        return None
    return int(text) / 2e6
