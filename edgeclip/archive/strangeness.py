"""Whether an archive as a whole looks like nothing that the packs have seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgeclip.archive.records import Record
from edgeclip.contract.familiarity import Familiar
from edgeclip.contract.plurals import counted


@dataclass
class Strangeness:
    """Counts of images that are beyond every place that the packs' training left out.

    What is compared is a median, since such a place is known by its median: an archive is strange
    where more than half of its images are beyond.

    Attributes:
        judged: Images whose distance is known.
        beyond: Of these, so many.
    """

    judged: int = 0
    beyond: int = 0

    def saw(self, record: Record) -> None:
        """Count an image."""
        if record.distance is not None:
            self.judged += 1
            self.beyond += record.distance > 1

    @property
    def is_strange(self) -> bool:
        """Whether the archive is."""
        return 2 * self.beyond > self.judged

    def notes(self, names: Sequence[str], familiar: Familiar | None) -> list[str]:
        """Return the warning; nothing of an archive like those that the packs are for.

        Args:
            names: Of the packs, for a person; one at least.
            familiar: What they have seen, of each in that order.
        """
        if familiar is None or not self.is_strange:
            return []
        said = (
            f"this archive looks like nothing that {' or '.join(names)} learned from: {self.beyond}"
            f" of {counted(self.judged, 'image')} are further from"
            f" {_farthest(names, familiar.places)}: look through some before you use the answers,"
            " or train with images from here"
        )
        return [said]

    def to_json(self) -> dict[str, int | bool] | None:
        """Return the counts for a machine; None where nothing is known of it."""
        if not self.judged:
            return None
        return {"judged": self.judged, "beyond": self.beyond, "is_strange": self.is_strange}


def _farthest(names: Sequence[str], places: Sequence[int]) -> str:
    """Return what images are further from than from what, of one pack or of each of several."""
    if len(names) == 1:
        return f"it than the farthest of the {places[0]} places that its training left out in turn"
    each = ", ".join(f"{name} {count}" for name, count in zip(names, places, strict=True))
    return (
        "each of these packs than the farthest of the places that its training left out in turn"
        f" ({each})"
    )
