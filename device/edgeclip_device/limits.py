"""Token buckets: how much may happen in a time, and how much was held back."""

from __future__ import annotations

from edgeclip_device.alarms import Alarms
from edgeclip_device.visit_settings import LimitSettings


class TokenBucket:
    """Lets a rate through in the long run, and a bucket's worth at once; starts full.

    Args:
        rate_per_s: Tokens that come in each second.
        size: Tokens that it holds, at least 1.
    """

    def __init__(self, rate_per_s: float, size: float) -> None:
        self._rate_per_s = rate_per_s
        self._size = max(1.0, size)
        self._tokens = self._size
        self._at_s: float | None = None
        self.held_back = 0

    def take(self, at_s: float) -> bool:
        """Take a token, or count what is held back for want of one.

        Args:
            at_s: Now, on a clock that never steps back.
        """
        self._fill(at_s)
        if self._tokens < 1:
            self.held_back += 1
            return False
        self._tokens -= 1
        return True

    def is_half_full(self, at_s: float) -> bool:
        """Say whether the want is over.

        Args:
            at_s: Now.
        """
        self._fill(at_s)
        return self._tokens >= self._size / 2

    def _fill(self, at_s: float) -> None:
        if self._at_s is not None:
            gained = (at_s - self._at_s) * self._rate_per_s
            self._tokens = min(self._size, self._tokens + max(0.0, gained))
        self._at_s = at_s


class RateLimits:
    """The limits of one camera, and the alarm that says that one of them holds something back.

    Args:
        settings: The table `[limits]`.
        alerts: What holds alerts back.
        alarms: Are told.
    """

    def __init__(self, settings: LimitSettings, alerts: TokenBucket, alarms: Alarms) -> None:
        per_min = settings.inferences_per_min
        self._settings = settings
        self._inferences = TokenBucket(per_min / 60, per_min * settings.inferences_burst_min)
        self._alerts = alerts
        self._alarms = alarms
        self._told: str | None = None
        self._known = (0, 0)
        alarms.clear_alarm("rate_limited")  # of the last process

    @property
    def frames_held_back(self) -> int:
        """How many frames were not classified."""
        return self._inferences.held_back

    def lets_through(self, at_s: float, *, forced: bool) -> bool:
        """Say whether a frame may be classified; one that is forced always is.

        Args:
            at_s: Its time.
            forced: It is the one that goes through in any case.
        """
        allowed = forced or self._inferences.take(at_s)
        self._tell(at_s)
        return allowed

    def _tell(self, at_s: float) -> None:
        """Raise the alarm where something was held back, and clear it when there is room again."""
        held = (self._inferences.held_back, self._alerts.held_back)
        frames, alerts = (now > before for now, before in zip(held, self._known, strict=True))
        self._known = held
        if frames or alerts:
            self._say(self._words(frames=frames))
        elif self._told and all(b.is_half_full(at_s) for b in (self._inferences, self._alerts)):
            self._say(None)

    def _words(self, *, frames: bool) -> str:
        if frames:
            per_min = self._settings.inferences_per_min
            return (
                f"more moves than [limits].inferences_per_min = {per_min:g} lets through: not every"
                " frame is classified; mask what moves all the time"
            )
        return (
            f"more alerts than [limits].alerts_per_hour = {self._settings.alerts_per_hour:g}: those"
            " beyond come as routine; look whether an animal is trapped, or raise a threshold"
        )

    def _say(self, words: str | None) -> None:
        if words != self._told:
            self._told = words
            self._alarms.set_alarm("rate_limited", words)
