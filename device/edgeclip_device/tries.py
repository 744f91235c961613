"""When the uplink tries to connect, and how long its connection has stood."""

from __future__ import annotations

import time
from collections.abc import Callable

from edgeclip_device.backoff import LinkTiming, RetryPolicy

_CONNECT_S = 15.0  # from the first packet to CONNACK


class Tries:
    """One try after the other.

    Args:
        most_s: The longest wait after a failure of the network, until tries become rare.
        timing: The other waits.
    """

    def __init__(self, most_s: float, timing: LinkTiming) -> None:
        self.policy = RetryPolicy(most_s, timing)
        self._most_s = most_s
        self._stable_s = timing.stable_s
        self._next_at = 0.0
        self._at = 0.0  # when the try began, or the connection
        self._is_online = False
        self._alert = 0

    @property
    def online_s(self) -> float:
        """How long the connection has stood; 0 where there is none."""
        return time.monotonic() - self._at if self._is_online else 0.0

    @property
    def took_too_long(self) -> bool:
        """Whether the broker should have answered by now."""
        return time.monotonic() - self._at > _CONNECT_S

    @property
    def carries_media(self) -> bool:
        """Whether snapshots may go: after days without one a connection must prove itself."""
        return self.online_s >= self._stable_s or not self.policy.was_away_long

    def begin(self, newest_alert: int) -> None:
        """Note that a try begins.

        Args:
            newest_alert: A newer one than this shortens the wait after it.
        """
        self._at = time.monotonic()
        self._alert = newest_alert

    def connected(self) -> None:
        """Note that the broker accepted us."""
        self._at = time.monotonic()
        self._is_online = True

    def look(self) -> None:
        """Forget the failures once the connection has stood for long enough."""
        if self.online_s >= self._stable_s:
            self.policy.connection_is_stable()

    def ended(self, code: int | None) -> float:
        """Note that there is no connection any more; return the wait until the next try.

        Args:
            code: MQTT 5 reason code, or None where the network failed.
        """
        wait_s = self.policy.wait_s(code, self.online_s)
        self._is_online = False
        self._next_at = time.monotonic() + wait_s
        return wait_s

    def are_due(self, newest_alert: Callable[[], int]) -> bool:
        """Say whether the wait is over; where tries are rare, a fresh alert shortens it."""
        now = time.monotonic()
        if now >= self._next_at:
            return True
        if not self.policy.tries_are_rare or now - self._at < self._most_s:
            return False
        return newest_alert() > self._alert
