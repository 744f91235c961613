"""A link that is a list, and drains over it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from edgeclip.contract.topics import DeviceTopics
from edgeclip.errors import PublishError
from edgeclip_device.backlog import Backlog
from edgeclip_device.budget import Budget
from edgeclip_device.clock import boot_id
from edgeclip_device.drain import Drain, DrainLimits
from edgeclip_device.uplink_settings import UplinkSettings
from support.clocks import StandingClock


@dataclass
class Wire:
    """Takes what is published; breaks after so many messages."""

    breaks_after: int = 1000
    sent: list[tuple[str, bytes]] = field(default_factory=list)

    def publish(
        self, topic: str, payload: bytes, *, retain: bool = False, expiry_s: int | None = None
    ) -> int:
        """Keep the message, or fail as a broken connection does."""
        assert not retain
        assert expiry_s is None
        if len(self.sent) >= self.breaks_after:
            raise PublishError("the connection broke")
        self.sent.append((topic, payload))
        return len(self.sent)

    def documents(self) -> list[dict[str, Any]]:
        return [json.loads(payload) for topic, payload in self.sent if "/detection/" in topic]


def drain_of(backlog: Backlog, in_flight: int = 4, **uplink: Any) -> Drain:
    """Return a drain with room for some messages in flight.

    Args:
        backlog: What it works off.
        in_flight: How many.
        uplink: Keys of the table `[uplink]`.
    """
    settings = UplinkSettings(**uplink)
    limits = DrainLimits(60, in_flight, settings.part_bytes)
    budget = Budget(settings, backlog, StandingClock(), boot_id())
    return Drain(backlog, DeviceTopics("demo", "jetson-1"), limits, budget)
