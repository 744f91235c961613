"""Commands as they arrive: checked, written down, and done or left to detect."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable

from edgeclip.contract.commands import (
    Command,
    CommandKind,
    Role,
    claimed_id,
    may,
    opened,
    roles_of,
)
from edgeclip.contract.signing import read_public_keys
from edgeclip.contract.topics import DeviceTopics
from edgeclip.errors import ConfigError, SignatureError
from edgeclip_device.command_args import problem_with, target_of
from edgeclip_device.command_book import CommandBook, Pending, Verdict
from edgeclip_device.config import DeviceSettings
from edgeclip_device.desired import Desired, DesiredFile, with_desired
from edgeclip_device.events import Arrived
from edgeclip_device.locks import is_held
from edgeclip_device.rollout.fetching import Fetching

log = logging.getLogger(__name__)

Act = Callable[[Pending], None]
_NO_DETECT = "detect does not run: it is done once it does, if that is in time"
_STRANGERS_AN_HOUR = 30  # of whom each is answered and written down


class CommandDesk:
    """Takes commands and the desired state.

    Args:
        settings: Who the device is, and whose commands are obeyed.
        book: What became of every command.
        acts: What the uplink itself does, by name.
        fetching: Takes deliveries in.
        monotonic: Seconds that only grow.

    Raises:
        ConfigError: A key's file is no public key.
    """

    def __init__(
        self,
        settings: DeviceSettings,
        book: CommandBook,
        acts: dict[str, Act],
        fetching: Fetching,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._topics = DeviceTopics(settings.project, settings.device_id)
        self._book = book
        self._acts = acts
        self._fetching = fetching
        self._monotonic = monotonic
        self._desired = DesiredFile(settings.state)
        admins = read_public_keys(settings.commands.admins)
        operators = read_public_keys(settings.commands.operators)
        self._keys = {**operators, **admins}
        self._roles = roles_of({"operator": operators, "admin": admins})
        self._strangers: deque[float] = deque(maxlen=_STRANGERS_AN_HOUR)

    @property
    def subscriptions(self) -> tuple[str, ...]:
        """The topics on which commands come."""
        return self._topics.command("+"), self._topics.desired, self._fetching.subscription

    def counters(self) -> dict[str, int]:
        """Return the highest counter of each key, by key id."""
        return self._book.counters()

    def on_message(self, message: Arrived) -> bool:
        """Take a message in; say whether it was a command.

        Raises:
            OutboxError: The verdict could not be written.
        """
        prefix = self._topics.command("")
        if message.topic == self._topics.desired:
            if message.payload:  # empty: the broker's retained copy was taken away
                self._take("desired", "configure", message)
            return True
        if message.topic.startswith(prefix):
            self._take("command", message.topic.removeprefix(prefix), message)
            return True
        return self._fetching.on_message(message)

    def tick(self) -> None:
        """Take in what has come by URL."""
        self._fetching.tick()

    def _take(self, kind: CommandKind, name: str, message: Arrived) -> None:
        try:
            command, key_id = opened(message.payload, kind, self._keys)
            self._refuse_elsewhere(command, name)
        except SignatureError as error:
            self._refuse_stranger(message.payload, str(error))
            return
        known = self._book.known(command.command_id)
        if known is not None:
            if kind == "command":  # a retained state comes at every connection
                self._book.say_again(command.command_id, known)
            return
        if kind == "desired" and self._book.is_last(command, (kind, key_id)):
            return  # of before a thousand commands, or of another outbox
        reason = self._objection(command, (kind, key_id), is_retained=message.retained)
        log.warning("command %s of key %s: %s", command.name, key_id, reason or "accepted")
        if reason:
            self._book.take(command, (kind, key_id), Verdict("refused", reason))
            return
        if command.name == "configure":
            self._desired.write(self._wanted(command))
        target = target_of(command)
        why = "" if target == "uplink" or is_held(self._settings.state, "detect") else _NO_DETECT
        self._book.take(command, (kind, key_id), Verdict("accepted", why), target)
        if target == "uplink":
            pending = Pending(command.command_id, command.name, command.args, command.not_after)
            self._acts[command.name](pending)

    def _refuse_elsewhere(self, command: Command, name: str) -> None:
        """Refuse what a known key has signed for another device or topic."""
        ours = (self._settings.project, self._settings.device_id)
        if (command.project, command.device_id) != ours:
            raise SignatureError(f"it is for {command.project}/{command.device_id}: send it there")
        if command.name != name:
            raise SignatureError(f"it is {command.name}, on the topic of {name}: send it again")

    def _objection(
        self, command: Command, signer: tuple[CommandKind, str], *, is_retained: bool
    ) -> str | None:
        """Return why a command is not obeyed, or None."""
        kind, key_id = signer
        last = self._book.last_counter(kind, key_id)
        if self._book.is_volatile:
            return "the outbox cannot be written, and nothing could tell a replay: mend the disk"
        if kind == "command" and is_retained:
            return "a retained command is never obeyed: send it without retain"
        if kind == "command" and command.name == "configure":
            return "a desired state is no command: publish it on down/desired"
        if command.counter <= last:
            return f"counter {command.counter} is not above {last}: it is a replay, or older"
        if self._book.is_over(command.not_after):
            return f"it expired at {command.not_after:%Y-%m-%d %H:%M:%S %Z}: send it again"
        role = self._roles[key_id]
        if not may(role, command.name):
            return f"the role {role} is not enough for {command.name}"
        problem = problem_with(command)
        if problem is None and command.name == "configure":
            return self._problem_with_state(command, role)
        return problem

    def _problem_with_state(self, command: Command, role: Role) -> str | None:
        try:
            with_desired(self._settings, self._wanted(command), role)
        except ConfigError as error:
            return str(error)
        return None

    def _wanted(self, command: Command) -> Desired:
        """Return the whole state: what commands had set of it before is over."""
        return Desired(
            command_id=command.command_id, counter=command.counter, tables=command.args["tables"]
        )

    def _refuse_stranger(self, data: bytes, reason: str) -> None:
        """Answer and write down what nobody vouches for, so many an hour."""
        now = self._monotonic()
        is_flood = len(self._strangers) == _STRANGERS_AN_HOUR and now - self._strangers[0] < 3600
        if is_flood:
            return
        self._strangers.append(now)
        log.error("a command is refused: %s", reason)
        claimed = claimed_id(data)
        if claimed:
            self._book.refuse_stranger(*claimed, reason)
        else:
            self._book.note(f"{len(data)} bytes are refused: {reason}")
