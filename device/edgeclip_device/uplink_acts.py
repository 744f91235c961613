"""What the uplink does of the commands."""

from __future__ import annotations

from pathlib import Path

from edgeclip.contract.topics import DeviceTopics
from edgeclip_device import events as ev
from edgeclip_device.backlog import Backlog
from edgeclip_device.clock import WallClock
from edgeclip_device.command_args import LogsArgs
from edgeclip_device.command_book import CommandBook, Pending, Verdict
from edgeclip_device.command_desk import Act, CommandDesk
from edgeclip_device.config import DeviceSettings
from edgeclip_device.counters import Counters
from edgeclip_device.facts import APPLIED, ARMED, DeviceFacts
from edgeclip_device.field.requests import FOLDER, ask
from edgeclip_device.log_ring import attached_ring
from edgeclip_device.mqtt import EventQueue
from edgeclip_device.rollout.fetching import Fetching

_DONE = Verdict("done")


class UplinkActs:
    """Ping, logs, restart and reboot.

    Args:
        backlog: The outbox.
        book: What became of every command.
        clock: The machine's clocks.
        events: Of the uplink; a restart stops it there.
        requests: Where root is asked.
    """

    def __init__(
        self,
        backlog: Backlog,
        book: CommandBook,
        clock: WallClock,
        events: EventQueue,
        requests: Path = FOLDER,
    ) -> None:
        self._requests = requests
        self._backlog = backlog
        self._book = book
        self._clock = clock
        self._events = events

    def ping(self, pending: Pending) -> None:
        """Reply with what a person wants to know first."""
        rows, media = self._backlog.waiting()
        data = {
            "uptime_s": round(self._clock.boot_ns() / 1e9, 1),
            "clock": self._clock.trust().model_dump(),
            "waiting": {"detections": rows, "snapshots": media},
            "alarms": sorted(self._backlog.alarms.standing()),
        }
        self._book.finish(pending, _DONE, data)

    def logs(self, pending: Pending) -> None:
        """Reply with the last lines of this process."""
        lines = attached_ring().last(LogsArgs.model_validate(pending.args).lines)
        self._book.finish(pending, _DONE, {"lines": lines})

    def restart(self, pending: Pending) -> None:
        """End the process, so that systemd starts it anew."""
        self._book.finish(pending, _DONE)  # before: it must not be done again after it
        self._events.put(ev.StopAsked())

    def reboot(self, pending: Pending) -> None:
        """Ask root for a reboot; it is refused within 10 min after the last one."""
        if ask("reboot", f"command {pending.command_id}", self._requests):
            self._book.finish(pending, _DONE)
        else:
            why = "nobody here can reboot: are the units installed, and is /run/edgeclip writable?"
            self._book.finish(pending, Verdict("failed", why))


def command_desk(
    settings: DeviceSettings, backlog: Backlog, clock: WallClock, events: EventQueue
) -> CommandDesk:
    """Return the desk of an uplink, with all that the uplink does itself.

    Raises:
        ConfigError: A key's file is no public key.
    """
    topics = DeviceTopics(settings.project, settings.device_id)
    book = CommandBook(
        backlog.connection,
        clock,
        topics,
        Counters(settings.state),
        is_volatile=backlog.is_volatile,
    )
    acts = UplinkActs(backlog, book, clock, events)
    fetching = Fetching(settings.state, book, topics, events)
    known: dict[str, Act] = {
        "logs": acts.logs,
        "pack_add": fetching.begin,
        "ping": acts.ping,
        "reboot": acts.reboot,
        "restart": acts.restart,
    }
    return CommandDesk(settings, book, known, fetching)


def device_facts(backlog: Backlog, desk: CommandDesk) -> DeviceFacts:
    """Return what stands in `info`."""
    return DeviceFacts(
        backlog.running(),
        is_armed=backlog.noted(ARMED) != "0",
        desired_sha256=backlog.noted(APPLIED) or None,
        command_counters=desk.counters(),
    )
