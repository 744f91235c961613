"""What the uplink looks at a few times a second: alarms of the link, the clock, detect."""

from __future__ import annotations

from edgeclip.contract.topics import DeviceTopics
from edgeclip_device.clock import WallClock
from edgeclip_device.clock_fix import ClockFixer
from edgeclip_device.detect_watch import DetectWatch
from edgeclip_device.link_report import LinkReport
from edgeclip_device.refusals import Refusals
from edgeclip_device.tries import Tries
from edgeclip_device.workplace import Workplace


class LinkWatch:
    """Sets alarms as things are.

    Args:
        clock: The machine's clocks.
        topics: Of this device.
        boot_id: Of this boot.
    """

    def __init__(self, clock: WallClock, topics: DeviceTopics, boot_id: str) -> None:
        self._clock_fixer = ClockFixer(clock, topics, boot_id)
        self._detect_watch = DetectWatch(clock.boot_ns)
        self.refusals = Refusals()

    def look(self, at: Workplace, report: LinkReport, tries: Tries) -> str:
        """Look once; return a line for systemd.

        Raises:
            OutboxError: The outbox fails.
        """
        tries.look()
        refused = {**self.refusals.by_kind, **at.drain.refusals}
        at.alarms.link(tries.online_s, refused, is_twin=tries.policy.looks_like_a_twin)
        at.alarms.outbox(at.budget)
        self._clock_fixer.look(at.backlog)
        self._detect_watch.look(at.backlog)
        at.desk.tick()
        rows, media = at.backlog.waiting()
        return f"{report.state}; {rows} detections, {media} snapshots wait"
