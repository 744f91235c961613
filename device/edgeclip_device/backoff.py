"""How long to wait before the next try: doubling, with full jitter, so that fleets spread out."""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

_FIRST_S = 1.0
_REFUSED_LOGIN = {0x86, 0x87, 0x8A}  # bad user name or password, not authorized, banned
_TAKEN_OVER = 0x8E
_FEW = 4
_SPREAD = 0.1  # of the long waits


@dataclass(frozen=True)
class LinkTiming:
    """What the link waits for, in seconds; tests have shorter ones.

    Attributes:
        stable_s: A connection that lasted less counts as another failure.
        login_s: After a login that was refused.
        twin_s: After being thrown out twice in this time, and this long.
        patience_s: Failing for so long, and four times at the longest wait, makes tries rare.
        hour_s: Between rare tries.
        day_s: Failing for so long makes them rarer still.
        rarest_s: Between those.
    """

    stable_s: float = 30.0
    login_s: float = 900.0
    twin_s: float = 600.0
    patience_s: float = 900.0
    hour_s: float = 3600.0
    day_s: float = 86_400.0
    rarest_s: float = 21_600.0


class Backoff:
    """Waits that double from 1 s to a limit, each drawn at random between 0.1 s and that.

    Args:
        most_s: The limit.
        draw: Gives a number in [0, 1).
        stable_s: What worked for so long makes the failures before it forgotten.
    """

    def __init__(
        self,
        most_s: float,
        draw: Callable[[], float] = random.random,
        stable_s: float = LinkTiming.stable_s,
    ) -> None:
        self._most_s = most_s
        self._draw = draw
        self._stable_s = stable_s
        self._ceiling_s = _FIRST_S
        self.at_limit = 0
        """How many waits in a row were drawn from the longest."""

    def next_wait_s(self, lived_s: float = 0.0) -> float:
        """Return the wait after a try.

        Args:
            lived_s: How long what was tried then worked.
        """
        if lived_s >= self._stable_s:
            self.reset()
        ceiling = min(self._ceiling_s, self._most_s)
        self.at_limit += ceiling >= self._most_s
        self._ceiling_s = min(self._ceiling_s * 2, self._most_s)
        return max(0.1, ceiling * self._draw())

    def reset(self) -> None:
        """Forget the failures."""
        self._ceiling_s = _FIRST_S
        self.at_limit = 0


class RetryPolicy:
    """When to try the broker again, by what ended the last try.

    Args:
        most_s: The longest wait after a failure of the network, until tries become rare.
        timing: The other waits.
        monotonic: Seconds that only grow.
        draw: Gives a number in [0, 1).
    """

    def __init__(
        self,
        most_s: float,
        timing: LinkTiming = LinkTiming(),
        *,
        monotonic: Callable[[], float] = time.monotonic,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._timing = timing
        self._monotonic = monotonic
        self._draw = draw
        self._backoff = Backoff(most_s, draw, timing.stable_s)
        self._thrown_out: deque[float] = deque(maxlen=2)
        self._short = 0
        self._failing_since: float | None = None

    @property
    def looks_like_a_twin(self) -> bool:
        """Whether connections come about and end at once, as with two devices of one id.

        mosquitto 2.0.11 closes the older one without a word (0x8E) to it.
        """
        return self._was_thrown_out_twice or self._short >= _FEW

    @property
    def tries_are_rare(self) -> bool:
        """Whether the network has failed for so long that a try comes once an hour or less."""
        return (
            self._backoff.at_limit >= _FEW and self._failing_for_s() >= self._timing.patience_s
        ) or self.was_away_long

    @property
    def was_away_long(self) -> bool:
        """Whether it has failed for more than a day."""
        return self._failing_for_s() >= self._timing.day_s

    def wait_s(self, code: int | None, lived_s: float) -> float:
        """Return the wait.

        Args:
            code: MQTT 5 reason code, or None where the network failed.
            lived_s: How long the connection stood; 0 where there was none.
        """
        self._note(code, lived_s)
        if login_was_refused(code):
            return self._timing.login_s
        if self._was_thrown_out_twice:  # two devices with one id: they would throw out each other
            return self._timing.twin_s
        wait_s = self._backoff.next_wait_s(lived_s)
        if self.was_away_long:
            return self._spread(self._timing.rarest_s)
        return self._spread(self._timing.hour_s) if self.tries_are_rare else wait_s

    def connection_is_stable(self) -> None:
        """Forget the failures: a connection has stood for long enough."""
        self._failing_since = None
        self._short = 0
        self._backoff.reset()

    def _note(self, code: int | None, lived_s: float) -> None:
        now = self._monotonic()
        if lived_s >= self._timing.stable_s:
            self.connection_is_stable()
        if self._failing_since is None:
            self._failing_since = now
        self._short = self._short + 1 if 0 < lived_s < self._timing.stable_s else 0
        if code == _TAKEN_OVER:
            self._thrown_out.append(now)

    @property
    def _was_thrown_out_twice(self) -> bool:
        oldest = self._monotonic() - self._timing.twin_s
        return sum(at >= oldest for at in self._thrown_out) == 2

    def _failing_for_s(self) -> float:
        return 0.0 if self._failing_since is None else self._monotonic() - self._failing_since

    def _spread(self, wait_s: float) -> float:
        return wait_s * (1 - _SPREAD + 2 * _SPREAD * self._draw())


def login_was_refused(code: int | None) -> bool:
    """Say whether the broker does not accept who we are; trying harder does not help."""
    return code in _REFUSED_LOGIN
