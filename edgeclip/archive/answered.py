"""Which packs answered for how many images, in the order of the packs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from edgeclip.archive.records import Record
from edgeclip.contract.plurals import counted

PROMPTS_ALONE = "prompts alone"
"""What answers of a set where no pack is for an image."""


@dataclass
class Answered:
    """Counts of the images that have an answer.

    Attributes:
        packs: By the name that records have, in their order.
        images: By pack; None: the prompts alone.
    """

    packs: Iterable[str] = ()
    images: Counter[str | None] = field(default_factory=Counter)

    def saw(self, record: Record) -> None:
        """Count an image."""
        if record.failure is None:
            self.images[record.pack] += 1

    def line(self) -> str | None:
        """Return who answered, for a person; None where one pack answers for all."""
        told = dict(self._told())
        alone = told.pop(PROMPTS_ALONE, 0)
        if len(told) < 2 and not alone:
            return None
        said = [f"{name} {counted(count, 'image')}" for name, count in told.items()]
        if alone:
            said.append(f"{PROMPTS_ALONE} {counted(alone, 'image')} (these decide nothing)")
        return f"answered by: {', '.join(said)}"

    def to_json(self) -> dict[str, int]:
        """Return the counts for a machine; of each pack, also of one that answered for none."""
        return dict(self._told())

    def _told(self) -> Iterator[tuple[str, int]]:
        for name in self.packs:
            yield name, self.images[name]
        if self.images[None]:
            yield PROMPTS_ALONE, self.images[None]
