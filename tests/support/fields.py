"""A detect that runs over a long clip, and commands to it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

from edgeclip.contract.commands import CommandKind, Reply
from edgeclip.contract.topics import DeviceTopics
from edgeclip_device.backlog import Backlog
from edgeclip_device.clock import SystemClock
from edgeclip_device.config import DeviceSettings
from edgeclip_device.detect import detect
from edgeclip_device.events import Arrived
from edgeclip_device.mqtt import EventQueue
from edgeclip_device.uplink_acts import command_desk
from support.commanders import Commander
from support.receivers import eventually

TOPICS = DeviceTopics("demo", "jetson-1")


@dataclass
class Field:
    """A detect that runs over a long clip at its own speed, and an uplink's desk without a link."""

    settings: DeviceSettings
    admin: Commander
    thread: threading.Thread
    stop: threading.Event

    def ask(self, name: str, **args: Any) -> Reply:
        """Ask something and return the final reply."""
        command = self.admin.command(name, args=args)
        kind: CommandKind = "desired" if name == "configure" else "command"
        topic = TOPICS.desired if name == "configure" else TOPICS.command(name)
        with closing(Backlog(self.settings.state)) as backlog:
            desk = command_desk(self.settings, backlog, SystemClock(), EventQueue())
            desk.on_message(Arrived(topic, self.admin.seal(command, kind), name == "configure"))

            def is_final() -> bool:
                desk.tick()
                return self._last(backlog, command.command_id).is_final

            eventually(is_final, f"end of {name}")
            return self._last(backlog, command.command_id)

    def _last(self, backlog: Backlog, command_id: str) -> Reply:
        rows = backlog.connection.execute("SELECT payload FROM letters ORDER BY id").fetchall()
        replies = [Reply.model_validate_json(row[0]) for row in rows]
        return [item for item in replies if item.command_id == command_id][-1]

    def noted(self, key: str) -> str | None:
        """Return a value of `meta`."""
        with closing(Backlog(self.settings.state)) as backlog:
            return backlog.noted(key)


@contextmanager
def watching(settings: DeviceSettings, admin: Commander) -> Iterator[Field]:
    """Yield a running detect, and stop it at the end."""
    stop = threading.Event()
    thread = threading.Thread(target=detect, args=(settings, stop))
    thread.start()
    try:
        yield Field(settings, admin, thread, stop)
    finally:
        stop.set()
        thread.join(30)
