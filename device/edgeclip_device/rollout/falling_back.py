"""A promoted bundle that does not start, or crashes, gives way to the one before it."""

from __future__ import annotations

import logging

from edgeclip_device.alarms import opened_alarms
from edgeclip_device.clock import WallClock
from edgeclip_device.config import DeviceSettings
from edgeclip_device.rollout.shelf import CONFIGURED, Shelf

log = logging.getLogger(__name__)


def fall_back(settings: DeviceSettings, clock: WallClock, reason: str) -> bool:
    """Let the bundle before decide; say whether there is one.

    Args:
        settings: The device's configuration.
        clock: Says since when the alarm stands.
        reason: Why the one that served cannot.

    Raises:
        OutboxError: The disk cannot be written.
    """
    shelf = Shelf(settings)
    if shelf.read().serving == CONFIGURED:
        return False
    has_one = shelf.roll_back(reason)
    with opened_alarms(settings.state, clock) as alarms:
        alarms.raise_alarm(
            "rolled_back", reason if has_one else f"stuck, nothing before it: {reason}"
        )
    return has_one
