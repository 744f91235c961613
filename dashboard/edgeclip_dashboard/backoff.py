"""How long to wait before the next try: exponential, with full jitter; and whom to suspect."""

from __future__ import annotations

import random
from collections.abc import Callable

_FIRST_S = 1.0
_LASTED_S = 30.0  # a connection that ended sooner counts as failed
_FEW = 3  # connections in a row that were up and ended at once


class Backoff:
    """Waits between tries; a thousand clients that lost one broker do not return at once.

    Args:
        longest_s: The upper bound of any wait.
        draw: Gives a number in [0, 1).
    """

    def __init__(self, longest_s: float, draw: Callable[[], float] = random.random) -> None:
        self._longest_s = longest_s
        self._draw = draw
        self._failures = 0

    def next_wait_s(self, lasted_s: float) -> float:
        """Return the seconds to wait after a connection that lasted `lasted_s` (0 if refused)."""
        if lasted_s >= _LASTED_S:
            self._failures = 0
        bound = min(self._longest_s, _FIRST_S * 2.0 ** min(self._failures, 20))
        self._failures += 1
        return bound * self._draw()


class Twins:
    """Suspects a second dashboard of our name: connections come up, and end at once.

    mosquitto 2.0.11 closes the older one of two equal client ids without a reason (0x8E).
    """

    def __init__(self) -> None:
        self._short = 0

    def are_likely(self, lasted_s: float, *, was_up: bool) -> bool:
        """Note a connection that ended, and say whether it looks as though there were a twin."""
        self._short = self._short + 1 if was_up and lasted_s < _LASTED_S else 0
        return self._short >= _FEW
