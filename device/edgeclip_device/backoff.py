"""How long to wait before the next try: doubling, with full jitter, so that fleets spread out."""

from __future__ import annotations

import random
from collections.abc import Callable

_FIRST_S = 1.0
_REFUSED_LOGIN = {0x86, 0x87, 0x8A}  # bad user name or password, not authorized, banned
_TAKEN_OVER = 0x8E
_LOGIN_WAIT_S = 900.0
_TWIN_WAIT_S = 600.0
_FEW = 4
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


class RetryPolicy:
    """When to try the broker again, by what ended the last try.

    Args:
        most_s: The longest wait after a failure of the network.
    """

    def __init__(self, most_s: float) -> None:
        self._backoff = Backoff(most_s)
        self._takeovers = 0
        self._short = 0

    @property
    def looks_like_a_twin(self) -> bool:
        """Whether connections come about and end at once, as with two devices of one id.

        mosquitto 2.0.11 closes the older one without a word (0x8E) to it.
        """
        return self._takeovers > 0 or self._short >= _FEW

    def wait_s(self, code: int | None, lived_s: float) -> float:
        """Return the wait.

        Args:
            code: MQTT 5 reason code, or None where the network failed.
            lived_s: How long the connection stood; 0 where there was none.
        """
        self._short = self._short + 1 if 0 < lived_s < _LONG_ENOUGH_S else 0
        if login_was_refused(code):
            return _LOGIN_WAIT_S
        if code == _TAKEN_OVER:
            self._takeovers += 1
            if self._takeovers >= 2:  # two devices with one id: they would throw out each other
                return _TWIN_WAIT_S
        return self._backoff.next_wait_s(lived_s)


def login_was_refused(code: int | None) -> bool:
    """Say whether the broker does not accept who we are; trying harder does not help."""
    return code in _REFUSED_LOGIN
