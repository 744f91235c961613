"""All of an uplink that works over one opened outbox; another outbox needs all of it anew."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from edgeclip.contract.topics import DeviceTopics
from edgeclip.errors import OutboxError
from edgeclip_device.backlog import Backlog
from edgeclip_device.backoff import LinkTiming
from edgeclip_device.budget import Budget
from edgeclip_device.clock import WallClock, boot_id
from edgeclip_device.command_desk import CommandDesk
from edgeclip_device.config import DeviceSettings
from edgeclip_device.drain import Drain, open_drain
from edgeclip_device.letters import Postman
from edgeclip_device.link_alarms import LinkAlarms
from edgeclip_device.mqtt import EventQueue
from edgeclip_device.uplink_acts import command_desk

log = logging.getLogger(__name__)

HEADER_BYTES = 200  # of a message, its topic included


@dataclass(frozen=True)
class Workplace:
    """What works off one outbox.

    Attributes:
        backlog: The outbox.
        budget: The bytes of the day.
        drain: Detections and snapshots.
        postman: Letters and the log book.
        desk: Commands.
        alarms: Those of the link and of losses.
    """

    backlog: Backlog
    budget: Budget
    drain: Drain
    postman: Postman
    desk: CommandDesk
    alarms: LinkAlarms

    def on_connect(self, maximum_packet: int | None) -> None:
        """Begin over another connection.

        Args:
            maximum_packet: How large a message the broker takes; None where it does not say.
        """
        most_bytes = None if maximum_packet is None else maximum_packet - HEADER_BYTES
        self.postman.on_connect(most_bytes)
        self.drain.on_connect(most_bytes)

    def close(self) -> None:
        """Close the outbox."""
        try:
            self.budget.save()
        except OutboxError as error:
            log.error("the bytes of the day are not kept: %s", error)
        self.backlog.close()


def open_workplace(
    settings: DeviceSettings,
    clock: WallClock,
    events: EventQueue,
    timing: LinkTiming,
    backlog: Backlog,
) -> Workplace:
    """Return the workplace of an outbox that was opened.

    Args:
        settings: The device's configuration.
        clock: The machine's clocks.
        events: Of the uplink.
        timing: What the link waits for.
        backlog: The outbox.

    Raises:
        ConfigError: A key's file is no public key.
        OutboxError: The outbox fails.
    """
    topics = DeviceTopics(settings.project, settings.device_id)
    budget = Budget(settings.uplink, backlog, clock, boot_id())
    return Workplace(
        backlog,
        budget,
        open_drain(settings, backlog, topics, budget),
        Postman(backlog.connection, backlog.book_epoch, topics),
        command_desk(settings, backlog, clock, events),
        LinkAlarms(backlog, settings.device_id, timing),
    )
