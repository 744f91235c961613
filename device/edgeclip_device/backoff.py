"""How long to wait before the next try: doubling, with full jitter, so that fleets spread out."""

from __future__ import annotations

import random
from collections.abc import Callable

_FIRST_S = 1.0
_LONG_ENOUGH_S = 30.0  # a connection that lasted less counts as another failure


class Backoff:
    """Waits that double from 1 s to a limit, each drawn at random between 0.1 s and that.

    Args:
        most_s: The limit.
        draw: Gives a number in [0, 1).
    """

    def __init__(self, most_s: float, draw: Callable[[], float] = random.random) -> None:
        self._most_s = most_s
        self._draw = draw
        self._ceiling_s = _FIRST_S

    def next_wait_s(self, lived_s: float = 0.0) -> float:
        """Return the wait after a try.

        Args:
            lived_s: How long what was tried then worked; half a minute forgets the failures.
        """
        if lived_s >= _LONG_ENOUGH_S:
            self.reset()
        ceiling = min(self._ceiling_s, self._most_s)
        self._ceiling_s = min(self._ceiling_s * 2, self._most_s)
        return max(0.1, ceiling * self._draw())

    def reset(self) -> None:
        """Forget the failures."""
        self._ceiling_s = _FIRST_S
