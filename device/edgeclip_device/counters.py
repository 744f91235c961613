"""The last command of each key, in a file: another outbox does not make old commands new ones."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Final

from pydantic import Field, ValidationError

from edgeclip.contract.commands import CommandKind
from edgeclip.contract.files import write_text
from edgeclip.contract.pack import Part
from edgeclip.errors import OutboxError

log = logging.getLogger(__name__)

COUNTERS_FILE: Final = "counters.json"


class LastCommand(Part):
    """The command with the highest counter of a key."""

    counter: int
    command_id: str


class _Known(Part):
    last: dict[str, LastCommand] = Field(default_factory=dict, description="By kind and key id.")


class Counters:
    """What a state folder remembers of each key beside its outbox.

    Args:
        state: The state folder.
    """

    def __init__(self, state: Path) -> None:
        self._path = state / COUNTERS_FILE

    def last(self, kind: CommandKind, key_id: str) -> LastCommand | None:
        """Return the last command of a key; None before the first."""
        return self._read().last.get(f"{kind}:{key_id}")

    def highest(self, kind: CommandKind) -> dict[str, int]:
        """Return the highest counters of one kind, by key id."""
        found = {key.partition(":"): last.counter for key, last in self._read().last.items()}
        return {key_id: count for (said, _, key_id), count in found.items() if said == kind}

    def keep(self, kind: CommandKind, key_id: str, last: LastCommand) -> None:
        """Remember a command; one with a lower counter than what is known changes nothing.

        Raises:
            OutboxError: The disk cannot be written.
        """
        known = self._read().last
        before = known.get(f"{kind}:{key_id}")
        if before is not None and before.counter >= last.counter:
            return
        now = _Known(last={**known, f"{kind}:{key_id}": last})
        try:
            write_text(self._path, now.model_dump_json(indent=2) + "\n")
        except OSError as error:
            raise OutboxError(f"{self._path} cannot be written ({error}): free space") from error

    def _read(self) -> _Known:
        try:
            return _Known.model_validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return _Known()
        except (OSError, ValidationError) as error:
            log.error("%s cannot be read (%s): the outbox alone says what came", self._path, error)
            return _Known()
