"""Token buckets: how much may happen in a time, and how much was held back."""

from __future__ import annotations

import json
from typing import Final

from pydantic import BaseModel, ValidationError

from edgeclip_device.outbox import Outbox
from edgeclip_device.visit_settings import LimitSettings

_ALERTS_LEFT: Final = "alerts_left"  # key in `meta`


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
        self.taken = 0

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
        self.taken += 1
        return True

    def left(self) -> tuple[float, float | None]:
        """Return the tokens, and when they were that many."""
        return self._tokens, self._at_s

    def restore(self, tokens: float, at_s: float | None) -> None:
        """Go on with what another process left.

        Args:
            tokens: As `left` returned them.
            at_s: When; None where that was on another clock, and no time has passed since.
        """
        self._tokens = min(self._size, max(0.0, tokens))
        self._at_s = at_s

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


class _Left(BaseModel):
    boot_id: str
    tokens: float
    at_s: float | None


class RateLimits:
    """The limits of one camera, and the alarm that says that one of them holds something back.

    Args:
        settings: The table `[limits]`.
        alerts: What holds alerts back.
        outbox: Its alarms are told, and it keeps how many alerts may still come: a process that
            ends again and again would else begin each time with an hour's worth.

    Raises:
        OutboxError: The outbox fails.
    """

    def __init__(self, settings: LimitSettings, alerts: TokenBucket, outbox: Outbox) -> None:
        per_min = settings.inferences_per_min
        self._settings = settings
        self._inferences = TokenBucket(per_min / 60, per_min * settings.inferences_burst_min)
        self._alerts = alerts
        self._outbox = outbox
        self._alarms = outbox.alarms
        self._told: str | None = None
        self._known = (0, 0)
        self._kept = 0
        self._restore()
        self._alarms.clear_alarm("rate_limited")  # of the last process

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

    def keep_alerts(self) -> None:
        """Note for the next process how many alerts may still come, where one came.

        Raises:
            OutboxError: It cannot be written.
        """
        if self._alerts.taken != self._kept:
            self._kept = self._alerts.taken
            tokens, at_s = self._alerts.left()
            left = {"boot_id": self._outbox.boot_id, "tokens": tokens, "at_s": at_s}
            self._outbox.note(_ALERTS_LEFT, json.dumps(left))

    def _restore(self) -> None:
        try:
            left = _Left.model_validate_json(self._outbox.noted(_ALERTS_LEFT) or "{}")
        except ValidationError:  # there is none, or it is of another version of this software
            return
        self._alerts.restore(
            left.tokens, left.at_s if left.boot_id == self._outbox.boot_id else None
        )

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
