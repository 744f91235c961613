"""What became of every command: counters, verdicts, replies, and what detect has yet to do."""

from __future__ import annotations

import json
import sqlite3
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from edgeclip.contract.commands import REPLY_EXPIRY_S, Command, CommandKind, Reply, ReplyState
from edgeclip.contract.topics import DeviceTopics
from edgeclip_device import database
from edgeclip_device.clock import WallClock, believed
from edgeclip_device.counters import Counters, LastCommand
from edgeclip_device.letters import note_entry, post

Target = Literal["uplink", "detect"]

_MOST_COMMANDS = 1000  # older ones are still refused: their counter is lower


@dataclass(frozen=True)
class Pending:
    """A command that was accepted and is not done."""

    command_id: str
    name: str
    args: dict[str, Any]
    not_after: datetime


@dataclass(frozen=True)
class Verdict:
    """What is said of a command."""

    state: ReplyState
    reason: str = ""


class CommandBook:
    """The commands of one outbox, over a connection of the process that uses it.

    Args:
        connection: Of the outbox.
        clock: The machine's clocks.
        topics: Of this device.
        counters: Outlive the outbox; None for those who take no commands from afar.
        is_volatile: Whether the outbox lies in memory.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        clock: WallClock,
        topics: DeviceTopics,
        counters: Counters | None = None,
        *,
        is_volatile: bool = False,
    ) -> None:
        self._connection = connection
        self._clock = clock
        self._topics = topics
        self._counters = counters
        self.is_volatile = is_volatile
        """Whether what is written down here is lost with the process."""

    def known(self, command_id: str) -> bytes | None:
        """Return the last reply to a command, or None where it never came."""
        query = "SELECT reply FROM commands WHERE command_id = ?"
        rows = database.query(self._connection, query, (command_id,))
        return bytes(rows[0][0]) if rows else None

    def last_counter(self, kind: CommandKind, key_id: str) -> int:
        """Return the highest counter that a key has used; 0 before the first."""
        known = self._counters and self._counters.last(kind, key_id)
        ours = int(database.read_meta(self._connection, _counter(kind, key_id)) or 0)
        return max(ours, known.counter) if known else ours

    def is_last(self, command: Command, signer: tuple[CommandKind, str]) -> bool:
        """Say whether this very command is the last one that its key has sent."""
        known = self._counters and self._counters.last(*signer)
        return bool(known) and known == LastCommand(
            counter=command.counter, command_id=command.command_id
        )

    def counters(self) -> dict[str, int]:
        """Return the highest counters of commands by key id."""
        query = "SELECT key, value FROM meta WHERE key LIKE 'counter:command:%'"
        rows = database.query(self._connection, query)
        ours = {key.rpartition(":")[2]: int(value) for key, value in rows}
        known = self._counters.highest("command") if self._counters else {}
        return {key: max(ours.get(key, 0), known.get(key, 0)) for key in ours | known}

    def take(
        self,
        command: Command,
        signer: tuple[CommandKind, str],
        verdict: Verdict,
        target: Target = "uplink",
    ) -> None:
        """Write down a command that a known key signed, its counter and the verdict, and reply.

        Raises:
            OutboxError: It cannot be written; the command then never came.
        """
        kind, key_id = signer
        reply = self._reply(command.command_id, command.name, verdict, {})
        with database.transaction(self._connection) as connection:
            last = max(self.last_counter(kind, key_id), command.counter)
            database.write_meta(connection, _counter(kind, key_id), str(last))
            connection.execute(
                "INSERT INTO commands VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    command.command_id,
                    key_id,
                    command.counter,
                    command.name,
                    verdict.state,
                    json.dumps(command.args),
                    target,
                    command.not_after.isoformat(),
                    reply.to_json(),
                ),
            )
            connection.execute(
                "DELETE FROM commands WHERE rowid <= (SELECT max(rowid) FROM commands) - ?",
                (_MOST_COMMANDS,),
            )
            self._say(connection, reply, f"by key {key_id}")
            if self._counters is not None and not self.is_volatile:  # before the commit
                last_one = LastCommand(counter=command.counter, command_id=command.command_id)
                self._counters.keep(kind, key_id, last_one)

    def refuse_stranger(self, command_id: str, name: str, reason: str) -> None:
        """Answer an envelope that nobody vouches for; its id is not taken for a known one."""
        reply = self._reply(command_id, name, Verdict("refused", reason), {})
        with database.transaction(self._connection) as connection:
            self._say(connection, reply, "by nobody known")

    def note(self, text: str) -> None:
        """Write into the log book what has no reply."""
        with database.transaction(self._connection) as connection:
            note_entry(connection, self._clock, "command", text)

    def say_again(self, command_id: str, reply: bytes) -> None:
        """Reply to a repeated command what was replied before; nothing else happens."""
        with database.transaction(self._connection) as connection:
            post(connection, self._topics.reply(command_id), reply, REPLY_EXPIRY_S)

    def finish(
        self, pending: Pending, verdict: Verdict, data: dict[str, Any] | None = None
    ) -> None:
        """Write down what became of a command, and reply.

        Args:
            pending: The command.
            verdict: Its state; `receiving` leaves it pending.
            data: For the person who asked.
        """
        reply = self._reply(pending.command_id, pending.name, verdict, data or {})
        with database.transaction(self._connection) as connection:
            connection.execute(
                "UPDATE commands SET verdict = ?, reply = ? WHERE command_id = ?",
                (verdict.state, reply.to_json(), pending.command_id),
            )
            self._say(connection, reply, "")

    def progress(self, pending: Pending, data: dict[str, Any]) -> None:
        """Reply how far a command is; the log book is not filled with that."""
        reply = self._reply(pending.command_id, pending.name, Verdict("receiving"), data)
        with database.transaction(self._connection) as connection:
            topic = self._topics.reply(pending.command_id)
            post(connection, topic, reply.to_json(), REPLY_EXPIRY_S)

    def take_local(self, name: str, args: dict[str, Any], not_after: datetime) -> str:
        """Write down what a person at the device itself asks of detect; return its id."""
        command_id = str(uuid.uuid4())
        row = (command_id, "local", 0, name, "accepted", json.dumps(args), "detect",
               not_after.isoformat(), b"")  # fmt: skip
        with database.transaction(self._connection) as connection:
            connection.execute("INSERT INTO commands VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        return command_id

    def hand_over(self, pending: Pending, args: dict[str, Any], target: Target) -> None:
        """Leave the rest of a command to the other process."""
        with database.transaction(self._connection) as connection:
            connection.execute(
                "UPDATE commands SET args = ?, target = ? WHERE command_id = ?",
                (json.dumps(args), target, pending.command_id),
            )

    def pending(self, target: Target) -> list[Pending]:
        """Return what a process has yet to do, the oldest first."""
        rows = database.query(
            self._connection,
            "SELECT command_id, name, args, not_after FROM commands"
            " WHERE target = ? AND verdict IN ('accepted', 'receiving') ORDER BY rowid",
            (target,),
        )
        return [
            Pending(number, name, json.loads(args), datetime.fromisoformat(until))
            for number, name, args, until in rows
        ]

    def is_over(self, not_after: datetime) -> bool:
        """Say whether a command came or waited too long; a wrong clock cannot tell."""
        return self._clock.trust().trusted and self._clock.now() > not_after

    def _reply(self, command_id: str, name: str, verdict: Verdict, data: dict[str, Any]) -> Reply:
        return Reply(
            command_id=command_id,
            name=name,
            device_id=self._topics.device_id,
            state=verdict.state,
            reason=verdict.reason[:300],
            data=data,
            at=believed(self._clock.now(), self._clock.not_before),
        )

    def _say(self, connection: sqlite3.Connection, reply: Reply, signer: str) -> None:
        topic = self._topics.reply(reply.command_id)
        post(connection, topic, reply.to_json(), REPLY_EXPIRY_S)
        words = [reply.name, reply.command_id, signer, reply.state, reply.reason]
        note_entry(connection, self._clock, "command", " ".join(word for word in words if word))


def _counter(kind: CommandKind, key_id: str) -> str:
    return f"counter:{kind}:{key_id}"
