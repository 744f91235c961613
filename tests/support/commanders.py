"""People with keys, and the commands that they sign."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from edgeclip.contract.commands import Command, CommandKind, sealed
from edgeclip.contract.detection import new_id
from edgeclip.contract.signing import make_key, read_private_key


@dataclass
class Commander:
    """Somebody with a key of their own.

    Attributes:
        key: Private, in its file.
        public: The other half's file, to be put into `[commands]`.
        counter: Of the last command.
    """

    key: Path
    public: Path = field(init=False)
    counter: int = 0

    def __post_init__(self) -> None:
        self.public = make_key(self.key)

    def command(self, name: str = "ping", **changes: Any) -> Command:
        """Return a command for jetson-1 with the next counter."""
        self.counter += 1
        now = datetime.now(timezone.utc)
        document = {
            "command_id": new_id(round(now.timestamp() * 1000)),
            "name": name,
            "project": "demo",
            "device_id": "jetson-1",
            "issued_at": now,
            "not_after": now + timedelta(hours=1),
            "counter": self.counter,
        }
        return Command.model_validate({**document, **changes})

    def seal(self, command: Command, kind: CommandKind = "command") -> bytes:
        """Return the envelope's bytes."""
        return sealed(command, read_private_key(self.key), kind).to_json()
