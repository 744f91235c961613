"""The camera's rest: given back, told to the uplink, and opened again when it is time."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from edgeclip_device.capture.source import CapturedSource
from edgeclip_device.outbox import Outbox
from edgeclip_device.pipeline import Pipeline
from edgeclip_device.power.schedule import NO_CLOCK, REST, UNTIMED, Rest, Schedule
from edgeclip_device.sources.base import Source
from edgeclip_device.wakeup import Bell

log = logging.getLogger(__name__)


@dataclass
class Resting:
    """Lets one detect rest and work by its schedule; what is no camera never rests."""

    schedule: Schedule
    source: Source
    outbox: Outbox
    bell: Bell
    _now: Rest | None = field(default=None)
    _is_untimed: bool = field(default=False)

    def __post_init__(self) -> None:
        self._tell(None)  # the last process may have ended in its sleep
        self.outbox.note(UNTIMED, "")

    @property
    def is_asleep(self) -> bool:
        """Whether the camera rests."""
        return self._now is not None

    def naps(self, pipeline: Pipeline) -> bool:
        """Rest for a second at most, where it is time to; say whether it was.

        Args:
            pipeline: Whose open visits end when the camera goes to sleep.

        Raises:
            OutboxError: It could not be told.
        """
        if not isinstance(self.source, CapturedSource):
            return False
        self._tell_hours()
        rest = self.schedule.rest()
        if rest is None and self._now is None:
            return False
        if rest is None:
            log.info("the camera works again")
            self.source.wake()
        elif self._now is None:
            log.info("the camera rests: %s, until %s", rest.reason, rest.next_wake_at or "it ends")
            pipeline.close("shutdown")
            self.source.rest()
        if rest != self._now:
            self._tell(rest)
        if rest is not None:
            self.schedule.nap()
        return rest is not None

    def _tell_hours(self) -> None:
        """Say once that the hours cannot be kept, and once that they can."""
        is_untimed = self.schedule.is_untimed
        if is_untimed == self._is_untimed:
            return
        self._is_untimed = is_untimed
        if is_untimed:
            log.warning("%s; see [clock] and `edgeclip-device doctor`", NO_CLOCK)
        else:
            log.info("the clock is believed: the hours of [power] are kept")
        self.outbox.note(UNTIMED, NO_CLOCK if is_untimed else "")
        self.bell.ring()

    def _tell(self, rest: Rest | None) -> None:
        self._now = rest
        self.outbox.note(REST, rest.model_dump_json() if rest else "")
        self.bell.ring()
