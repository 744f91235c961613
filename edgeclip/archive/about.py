"""What the results' writers are told of a run beside its rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from edgeclip.archive.deciding import Deciders
from edgeclip.contract.attribute_answers import AttributeBank
from edgeclip.contract.pack import ObservationType, PackManifest


@dataclass(frozen=True)
class About:
    """A run, as results tell it; nothing of it depends on when or how often it was interrupted.

    Attributes:
        manifest: Classes.
        deciders: Whose thresholds decide.
        answerer: Pack, version and runtime.
        pack_sha256: Of the manifest that names all files of it.
        begun_at: When the run was begun, aware UTC.
        questions: What is asked in words beside the class, by its name: whether labels showed, for
            every pack that asks it, how right its answers are.
    """

    manifest: PackManifest
    deciders: Deciders
    answerer: str
    pack_sha256: str
    begun_at: datetime
    questions: Mapping[str, bool] = field(default_factory=dict)

    def decision(self, probabilities: Sequence[float], pack: str | None) -> str | None:
        """Return the target whose threshold is reached by the answer of a pack, or None."""
        return self.deciders.decided(probabilities, pack)

    def likeliest(self, probabilities: Sequence[float]) -> tuple[int, float]:
        """Return index and probability of the likeliest class; the first of equals."""
        index = max(range(len(probabilities)), key=lambda i: probabilities[i])
        return index, probabilities[index]

    def kind(self, index: int) -> ObservationType:
        """Return what kind of observation a class is."""
        return self.manifest.classes[index].observation_type

    def presence(self, probabilities: Sequence[float]) -> float:
        """Return the probability that the image is not blank."""
        blank = sum(p for i, p in enumerate(probabilities) if self.kind(i) == "blank")
        return round(min(max(1.0 - blank, 0.0), 1.0), 5)


def questions_of(banks: Iterable[AttributeBank]) -> dict[str, bool]:
    """Return what packs ask in words, by name: whether each that asks it has it measured.

    Args:
        banks: Of the packs, in their order.
    """
    groups = [group for bank in banks for group in bank.asked.groups]
    doubted = {group.name for group in groups if not group.verified}
    return {group.name: group.name not in doubted for group in groups}
