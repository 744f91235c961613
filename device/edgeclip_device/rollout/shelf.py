"""The bundles of a device: the one that decides, at most two before it, and a candidate."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Final, Literal

from pydantic import Field, ValidationError

from edgeclip.contract.bundle import MANIFEST_FILE
from edgeclip.contract.files import write_text
from edgeclip.contract.hashing import sha256_file
from edgeclip.contract.pack import Part, Sha256
from edgeclip.errors import OutboxError, SetupError
from edgeclip_device.config import DeviceSettings

log = logging.getLogger(__name__)

SHELF_FOLDER: Final = "packs"
INCOMING_FOLDER: Final = "incoming"
CONFIGURED: Final = ""
"""The name of the bundle that `device.toml` names."""
_STATE_FILE: Final = "rollout.json"
_MOST_OLD: Final = 2
_MOST_STARTS: Final = 3  # of a bundle that has just been promoted, until it is held to crash

Stage = Literal["stable", "watch", "stuck"]
"""Of the bundle that decides; a candidate beside it has no say in that."""


class Counts(Part):
    """What a candidate showed beside the bundle that decides."""

    frames: int = 0
    agreed: int = 0
    ours_ms: float = 0.0
    candidate_ms: float = 0.0

    @property
    def agreement(self) -> float:
        """Share of frames on which both decided the same; 0 before the first."""
        return self.agreed / self.frames if self.frames else 0.0


class RolloutState(Part):
    """`packs/rollout.json` in the state folder."""

    serving: str = CONFIGURED
    before: list[str] = Field(default_factory=list, description="The newest first.")
    candidate: str | None = Field(None, description="Runs in shadow.")
    trying: str = Field("", description="Delivery or candidate that was begun with last.")
    tries: int = Field(0, description="How often, since detect last ended in order.")
    is_rejected: bool = Field(False, description="Whether the last delivery was.")
    stage: Stage = "stable"
    counts: Counts = Counts()
    starts: int = Field(0, description="Of the serving bundle since it was promoted.")
    watched_s: float = Field(0.0, description="How long it has run since then.")
    alerts: int = Field(0, description="That it has raised since then.")
    may_return: list[Sha256] = Field(
        default_factory=list, description="Of the manifests before it, as they were when they ran."
    )
    reason: str = Field("", description="Why the last one was rejected or rolled back.")


class Shelf:
    """Keeps the bundles of one state folder.

    Args:
        settings: The device's configuration.
    """

    def __init__(self, settings: DeviceSettings) -> None:
        self._settings = settings
        self.folder = settings.state / SHELF_FOLDER
        self._file = self.folder / _STATE_FILE

    def read(self) -> RolloutState:
        """Return what serves; a file that cannot be read leaves the configured bundle."""
        try:
            return RolloutState.model_validate_json(self._file.read_bytes())
        except FileNotFoundError:
            return RolloutState()
        except (OSError, ValidationError) as error:
            log.error("%s cannot be read, the configured bundle serves: %s", self._file, error)
            return RolloutState()

    def write(self, state: RolloutState) -> None:
        """Write the state whole, and remove bundles that it does not name.

        Raises:
            OutboxError: The disk cannot be written; nothing has changed.
        """
        try:
            write_text(self._file, state.model_dump_json(indent=2) + "\n")
        except OSError as error:
            raise OutboxError(f"{self._file} cannot be written ({error}): free space") from error
        named = {state.serving, state.candidate, *state.before}
        for path in self.folder.iterdir():
            if path.is_dir() and path.name not in named and not path.name.startswith("."):
                shutil.rmtree(path, ignore_errors=True)

    def path(self, name: str) -> Path | None:
        """Return a bundle's folder; None where the configuration names none."""
        return self._settings.inference.bundle if name == CONFIGURED else self.folder / name

    def applied(self, name: str) -> DeviceSettings:
        """Return the settings with a bundle in place of the configured one."""
        if name == CONFIGURED:
            return self._settings
        inference = self._settings.inference.model_copy(update={"bundle": self.folder / name})
        return self._settings.model_copy(update={"inference": inference})

    def ran_here(self) -> frozenset[str]:
        """Return the hashes of the manifests that may come back, though something newer ran."""
        return frozenset(self.read().may_return)

    def stage(self, name: str) -> None:
        """Note a candidate that runs in shadow from now on."""
        state = self.read()
        changes = {"candidate": name, "counts": Counts(), "reason": "", "is_rejected": False}
        self.write(state.model_copy(update=changes))

    def reject(self, reason: str, *, is_fault: bool = True) -> None:
        """Drop the candidate; it is its fault, or somebody's wish."""
        state = self.read()
        changes = {"candidate": None, "reason": reason, "is_rejected": is_fault, "tries": 0}
        self.write(state.model_copy(update=changes))

    def count_try(self, name: str) -> bool:
        """Count that a delivery or candidate is begun with; say whether it was too often.

        One that crashes the process, or has it killed for its memory, would do so for ever.

        Raises:
            OutboxError: The disk cannot be written.
        """
        state = self.read()
        tries = 1 + (state.tries if state.trying == name else 0)
        self.write(state.model_copy(update={"trying": name, "tries": tries}))
        return tries > _MOST_STARTS

    def promote(self) -> None:
        """Let the candidate decide from the next start on.

        Raises:
            SetupError: There is none.
            OutboxError: The disk cannot be written.
        """
        state = self.read()
        if state.candidate is None:
            raise SetupError("there is no candidate: add a pack first")
        self.write(
            RolloutState(
                serving=state.candidate,
                before=[name for name in (state.serving, *state.before) if name != state.candidate][
                    :_MOST_OLD
                ],
                stage="watch",
                counts=state.counts,
                may_return=[*self._hash_of(state.serving), *state.may_return][:_MOST_OLD],
            )
        )

    def roll_back(self, reason: str) -> bool:
        """Let the bundle before decide again; say whether there was one."""
        state = self.read()
        if not state.before:
            self.write(state.model_copy(update={"stage": "stuck", "reason": reason}))
            return False
        serving, *rest = state.before
        back = RolloutState(
            serving=serving,
            before=rest,
            candidate=state.candidate,  # it begins its shadow run anew, beside the old one
            reason=reason,
            may_return=state.may_return,
        )
        self.write(back)
        return True

    def count_start(self) -> bool:
        """Count a start of a promoted bundle; say whether it has crashed too often."""
        state = self.read()
        if state.stage != "watch":
            return False
        self.write(state.model_copy(update={"starts": state.starts + 1}))
        return state.starts >= _MOST_STARTS

    def _hash_of(self, name: str) -> list[str]:
        path = self.path(name)
        return [sha256_file(path / MANIFEST_FILE)] if path is not None else []

    def ended_well(self) -> None:
        """Forget the starts of a promoted bundle, and tries of a candidate: nothing crashed."""
        state = self.read()
        if state.starts or state.tries:
            self.write(state.model_copy(update={"starts": 0, "tries": 0}))
