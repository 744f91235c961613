"""Send a signed command to a device, and follow its replies: from any workstation."""

from __future__ import annotations

import queue
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from edgeclip.contract.commands import Command, CommandName, Reply, next_counter, sealed
from edgeclip.contract.detection import new_id
from edgeclip.contract.files import write_text
from edgeclip.contract.signing import read_private_key
from edgeclip.contract.topics import DeviceTopics
from edgeclip.errors import ConfigError, PublishError
from edgeclip_device import events as ev
from edgeclip_device.config import MqttSettings
from edgeclip_device.credentials import Credentials
from edgeclip_device.mqtt import EventQueue, Link, LinkConfig

_CONNECT_S = 15.0
_RETAINED_S = 2.0  # it comes with the subscription's answer
_LINK_ID = 1

OnReply = Callable[[Reply], None]


@dataclass(frozen=True)
class Sender:
    """Who sends, to which device.

    Attributes:
        key: File of the private key.
        topics: Of the device.
        mqtt: The broker.
        credentials: Of the broker.
    """

    key: Path
    topics: DeviceTopics
    mqtt: MqttSettings
    credentials: Credentials

    def command(
        self,
        name: CommandName,
        args: dict[str, Any],
        valid_s: float = 3600.0,
        counter: int | None = None,
    ) -> Command:
        """Return a new command; its counter is above all that this key's file has used.

        Args:
            name: What is asked.
            args: How.
            valid_s: How long the device may take until it does it.
            counter: In place of the next one.

        Raises:
            ConfigError: The file of counters beside the key cannot be written.
        """
        now = datetime.now(timezone.utc)
        return Command(
            command_id=new_id(round(now.timestamp() * 1000)),
            name=name,
            args=args,
            project=self.topics.project,
            device_id=self.topics.device_id,
            issued_at=now,
            not_after=now + timedelta(seconds=valid_s),
            counter=counter or self._next_counter(now),
        )

    def send(self, command: Command, on_reply: OnReply, wait_s: float) -> Reply | None:
        """Publish a command and follow its replies to the last one.

        Args:
            command: Of `command`.
            on_reply: Told of every reply.
            wait_s: How long at most.

        Returns:
            The final reply, or None where there was none in time.

        Raises:
            ConfigError: The key cannot be read.
            PublishError: The broker cannot be reached or refuses.
        """
        envelope = sealed(command, read_private_key(self.key)).to_json()
        with self.connected(self.topics.reply(command.command_id)) as (link, events):
            mid = link.publish(self.topics.command(command.name), envelope)
            for reply in follow(events, mid, wait_s):
                on_reply(reply)
                if reply.is_final:
                    return reply
        return None

    def keep_desired(self, command: Command, on_reply: OnReply, wait_s: float) -> Reply | None:
        """Publish a desired state, retained; of one that is refused the one before stays.

        Args:
            command: Named configure.
            on_reply: Told of every reply.
            wait_s: How long at most.

        Returns:
            The final reply, or None where there was none in time: a device that is away takes the
            state when it connects.

        Raises:
            ConfigError: The key cannot be read.
            PublishError: The broker cannot be reached or refuses.
        """
        envelope = sealed(command, read_private_key(self.key), "desired").to_json()
        with self.connected(self.topics.reply(command.command_id)) as (link, events):
            link.subscribe(self.topics.desired)
            before = _retained(events, self.topics.desired)
            mid = link.publish(self.topics.desired, envelope, retain=True)
            for reply in follow(events, mid, wait_s):
                on_reply(reply)
                if reply.state in ("refused", "failed"):
                    mid = link.publish(self.topics.desired, before, retain=True)
                    list(follow(events, mid, _CONNECT_S, until_taken=True))
                if reply.is_final:
                    return reply
        return None

    @contextmanager
    def connected(self, *topics: str) -> Iterator[tuple[Link, EventQueue]]:
        """Yield a link that has subscribed to topics, and what happens on it.

        Raises:
            PublishError: The broker cannot be reached or refuses.
        """
        events: EventQueue = queue.SimpleQueue()
        name = f"command-{secrets.token_hex(6)}"
        link = Link(LinkConfig(self.mqtt, self.credentials, name), _LINK_ID, events)
        link.connect(None)
        try:
            _await(events, ev.Connected)
            link.subscribe(*topics)
            _await(events, ev.Subscribed)
            yield link, events
        finally:
            link.close()

    def _next_counter(self, now: datetime) -> int:
        path = self.key.with_name(self.key.name + ".counter")
        try:
            last = int(path.read_text()) if path.exists() else 0
            counter = next_counter(last, now)
            write_text(path, f"{counter}\n")
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"{path} cannot be read and written ({error}): mend it, or give --counter"
            ) from error
        return counter


def follow(
    events: EventQueue, mid: int, wait_s: float, *, until_taken: bool = False
) -> Iterator[Reply]:
    """Yield replies until time is up.

    Args:
        events: Of the link.
        mid: Of the command's message: a refusal of it is an error.
        wait_s: How long at most.
        until_taken: End when the broker has taken the message.

    Raises:
        PublishError: The broker refused the message, or the connection ended.
    """
    deadline = time.monotonic() + wait_s
    while (left := deadline - time.monotonic()) > 0:
        event = _next(events, left)
        if isinstance(event, ev.Answered) and event.mid == mid:
            if event.code >= 0x80:
                raise PublishError(f"the broker refuses the command: {event.reason}: see its ACL")
            if until_taken:
                return
        elif isinstance(event, ev.Disconnected):
            raise PublishError(f"{event.reason}: try again")
        elif isinstance(event, ev.Arrived):
            try:
                yield Reply.model_validate_json(event.payload)
            except ValidationError:
                continue  # of another version, or by somebody else: the final one may follow


def _await(events: EventQueue, kind: type[ev.Connected | ev.Subscribed]) -> None:
    deadline = time.monotonic() + _CONNECT_S
    while (left := deadline - time.monotonic()) > 0:
        event = _next(events, left)
        if isinstance(event, kind):
            return
        if isinstance(event, ev.Disconnected):
            raise PublishError(f"{event.reason}: check --broker and the login")
        if isinstance(event, ev.SubscriptionRefused):
            raise PublishError(f"the broker refuses the replies: {event.reason}: see its ACL")
    raise PublishError("the broker does not answer: check --broker")


def _retained(events: EventQueue, topic: str) -> bytes:
    """Return what a broker keeps on a topic that was just subscribed to; empty without."""
    deadline = time.monotonic() + _RETAINED_S
    while (left := deadline - time.monotonic()) > 0:
        event = _next(events, left)
        if isinstance(event, ev.Arrived) and event.topic == topic and event.retained:
            return event.payload
        if isinstance(event, ev.SubscriptionRefused):
            break  # who may only write here leaves nothing in place of what is refused
    return b""


def _next(events: EventQueue, left_s: float) -> ev.LinkEvent | None:
    try:
        event = events.get(timeout=left_s)
    except queue.Empty:
        return None
    return event.event if isinstance(event, ev.FromLink) else None
