"""Whether to work or to rest now, by the table `[power]`."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from edgeclip_device.clock import WallClock
from edgeclip_device.field_settings import PowerSettings
from edgeclip_device.power.triggers import Trigger, open_trigger
from edgeclip_device.power.windows import next_window

REST = "rest"  # keys in `meta`: empty while detect works
UNTIMED = "untimed"  # empty while its hours can be kept, or it has none
NO_CLOCK = "the hours of [power] cannot be kept without a clock: the camera works all the time"
_LONGEST_NAP_S = 1.0  # signals and the watchdog wait for it


class Rest(BaseModel):
    """Why the camera rests, and until when.

    Attributes:
        next_wake_at: None where a trigger decides, or no window begins within days.
    """

    model_config = ConfigDict(frozen=True)

    reason: str
    next_wake_at: AwareDatetime | None = None

    @staticmethod
    def from_json(text: str | None) -> Rest | None:
        """Return what `meta` says; None while detect works."""
        try:
            return Rest.model_validate_json(text) if text else None
        except ValidationError:  # of another version
            return None


class Schedule:
    """Decides for one detect.

    Args:
        settings: The table `[power]`.
        clock: The machine's clocks; while it is not believed, windows cannot be kept, and the
            device works.
        monotonic: Seconds that only grow.

    Raises:
        ConfigError: The trigger cannot be used.
    """

    def __init__(
        self,
        settings: PowerSettings,
        clock: WallClock,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._monotonic = monotonic
        self._trigger: Trigger | None = None
        self._awake_until_s = monotonic() + settings.awake_s  # it sees that all works, then rests
        if settings.mode == "triggered" and settings.trigger is not None:
            self._trigger = open_trigger(settings.trigger)

    @property
    def is_untimed(self) -> bool:
        """Whether there are hours that cannot be kept: the clock is not believed."""
        return self._settings.mode == "windowed" and not self._clock.trust().trusted

    def rest(self) -> Rest | None:
        """Return why to rest now; None is to work."""
        if self._settings.mode == "windowed":
            return self._by_windows()
        if self._trigger is not None:
            return self._by_trigger(self._trigger, 0.0)
        return None

    def nap(self) -> None:
        """Sleep for a second at most, or until the trigger fires."""
        if self._trigger is None:
            time.sleep(_LONGEST_NAP_S)
        else:
            self._by_trigger(self._trigger, _LONGEST_NAP_S)

    def close(self) -> None:
        """Give the trigger back."""
        if self._trigger is not None:
            self._trigger.close()

    def _by_windows(self) -> Rest | None:
        if self.is_untimed:
            return None
        now: datetime = self._clock.now()
        begins = next_window(self._settings, now)
        return None if begins == now else Rest(reason="outside its hours", next_wake_at=begins)

    def _by_trigger(self, trigger: Trigger, patience_s: float) -> Rest | None:
        if trigger.wait(patience_s):
            self._awake_until_s = self._monotonic() + self._settings.awake_s
        if self._monotonic() < self._awake_until_s:
            return None
        return Rest(reason="waits for its trigger")
