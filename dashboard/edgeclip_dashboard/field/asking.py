"""Ask something of a device: signed, written down, published; replies come by the receiver."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from edgeclip.contract import commands
from edgeclip.contract.commands import Command, CommandName, next_counter, sealed
from edgeclip.contract.detection import new_id
from edgeclip.contract.signing import key_id_of
from edgeclip.contract.topics import DeviceTopics
from edgeclip.errors import DashboardError
from edgeclip_dashboard import deeds
from edgeclip_dashboard.identity import Identity
from edgeclip_dashboard.identity import Role as PersonRole
from edgeclip_dashboard.models_field import CommandRow

VALID_S: Final = 3600.0  # a sleeping device may take so long
_ROLES: Final[dict[PersonRole, commands.Role]] = {
    "viewer": "viewer",
    "reviewer": "operator",
    "admin": "admin",
}
Publish = Callable[[str, bytes], bool]


@dataclass(frozen=True)
class Author:
    """Who signs.

    Attributes:
        project: Whose devices are asked.
        dashboard_id: Stands beside each command, for several dashboards on one database.
        key: That devices obey; None where none is configured.
    """

    project: str
    dashboard_id: str
    key: Ed25519PrivateKey | None

    @property
    def key_id(self) -> str | None:
        """The key's name, as devices tell it."""
        return key_id_of(self.key.public_key()) if self.key else None


def may_ask(identity: Identity, name: CommandName) -> bool:
    """Say whether a person's role is enough for a command."""
    return commands.may(_ROLES[identity.role], name)


class Asking:
    """Sends commands; for any thread.

    Args:
        engine: Of the database.
        author: Who signs.
        publish: Publishes at QoS 1; False where there is no connection.
        on_change: Told when a command was written down.
        now: The wall clock, aware UTC.
    """

    def __init__(
        self,
        engine: Engine,
        author: Author,
        publish: Publish,
        on_change: Callable[[], None],
        now: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
    ) -> None:
        self._engine = engine
        self.author = author
        self._publish = publish
        self._on_change = on_change
        self._now = now
        self._lock = threading.Lock()  # counters of one key reach the broker in their order

    def ask(
        self,
        identity: Identity,
        device_id: str,
        name: CommandName,
        args: dict[str, Any],
        valid_s: float = VALID_S,
    ) -> str:
        """Send a command, and return its id, under which its replies are stored.

        Args:
            identity: Who asks.
            device_id: Of whom.
            name: What.
            args: How; the device checks them.
            valid_s: How long the device may take.

        Raises:
            DashboardError: There is no key, the role is not enough, or there is no connection.
            SQLAlchemyError: It could not be written down; nothing was sent.
        """
        key, key_id = self.author.key, self.author.key_id
        if key is None or key_id is None:
            raise DashboardError("there is no key to sign with: set [commands].key_file")
        if not may_ask(identity, name):
            raise DashboardError(f"the role {identity.role} is not enough for {name}: ask an admin")
        with self._lock:
            command = self._command(device_id, name, args, valid_s)
            self._write_down(command, identity, key_id)
            self._on_change()
            topic = DeviceTopics(self.author.project, device_id).command(name)
            if self._publish(topic, sealed(command, key).to_json()):
                return command.command_id
        self.give_up(command.command_id, "there was no connection to the broker")
        raise DashboardError("there is no connection to the broker: ask again when there is")

    def ask_again(self, row: CommandRow) -> bool:
        """Send the same command once more: a device that knows it answers, and does it once."""
        key = self.author.key
        if key is None:
            return False
        command = Command(
            command_id=row.command_id,
            name=_name(row.name),
            args=json.loads(row.args),
            project=self.author.project,
            device_id=row.device_id,
            issued_at=row.issued_at,
            not_after=row.not_after,
            counter=row.counter,
        )
        topic = DeviceTopics(self.author.project, row.device_id).command(row.name)
        return self._publish(topic, sealed(command, key).to_json())

    def give_up(self, command_id: str, reason: str) -> None:
        """Write down that a command failed here."""
        with Session(self._engine) as session, session.begin():
            row = session.get_one(CommandRow, command_id)
            row.state, row.reason = "failed", reason
        self._on_change()

    def _command(
        self, device_id: str, name: CommandName, args: dict[str, Any], valid_s: float
    ) -> Command:
        now = self._now()
        with Session(self._engine) as session:
            query = select(func.max(CommandRow.counter))
            last = session.scalar(query.where(CommandRow.key_id == self.author.key_id)) or 0
        return Command(
            command_id=new_id(round(now.timestamp() * 1000)),
            name=name,
            args=args,
            project=self.author.project,
            device_id=device_id,
            issued_at=now,
            not_after=now + timedelta(seconds=valid_s),
            counter=next_counter(last, now),
        )

    def _write_down(self, command: Command, identity: Identity, key_id: str) -> None:
        row = CommandRow(
            command_id=command.command_id,
            device_id=command.device_id,
            name=command.name,
            args=json.dumps(command.args),
            account_name=identity.name,
            issued_at=command.issued_at,
            not_after=command.not_after,
            dashboard_id=self.author.dashboard_id,
            key_id=key_id,
            counter=command.counter,
            state="sent",
            reason="",
            data="{}",
        )
        with Session(self._engine) as session, session.begin():
            session.add(row)
            subject = f"{command.device_id}: {command.name} {row.args[:200]}"
            deeds.note(session, identity, "command sent", subject, command.issued_at)


def _name(text: str) -> CommandName:
    """Return a name that was a command's when it was written down."""
    name: CommandName = text  # type: ignore[assignment]  # pydantic checks it once more
    return name
