"""Images that taught an earlier pack: what is trained on it is never tested on them.

The adapters of `--on PACK` have learned from images, and from the packs before it those of theirs.
A test image among these, of their sequence or place, would flatter whatever is built on them. Two
limits: a sequence that taught is known again by its place and name, so not where it has no place;
and another file of a shot that taught is barred only where the taught file lies in the new data
too, because a table of a split does not say what its images look like.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from edgeclip.errors import DataError
from edgeclip.labels.dataset import LabelledImage
from edgeclip.split_checks import RANDOM_SPLIT
from edgeclip.split_rows import LEARNED_FROM, TESTED, SplitRow


@dataclass(frozen=True)
class Stated:
    """A split that somebody states, and the options by which a user answers for it.

    Attributes:
        source: Who states it.
        insisted: Whether it is to be taken though places both taught and test.
        decline: What to do so that one is made instead.
        insist: The option that insists.
    """

    source: str
    insisted: bool
    decline: str
    insist: str


def stated_by_data(*, insisted: bool) -> Stated:
    """Return who states the split of a data set: a column or folders of its own."""
    return Stated("the data's own split", insisted, "add --no-use-split", "--use-split")


@dataclass(frozen=True)
class Taught:
    """What an earlier pack, and those that it stands on, learned from.

    Attributes:
        pack: Its folder, for messages; None without one.
        rows: By SHA-256 the images that taught or chose there.
        is_known: Whether these are all.
    """

    pack: Path | None = None
    rows: Mapping[str, SplitRow] = field(default_factory=dict)
    is_known: bool = True

    @cached_property
    def places(self) -> frozenset[str]:
        """Locations of these images."""
        return frozenset(row.location for row in self.rows.values() if row.location)

    def groups(
        self, images: Sequence[LabelledImage], groups: Sequence[str], *, places: bool
    ) -> frozenset[str]:
        """Return the groups that must not be tested on.

        Args:
            images: n images.
            groups: What each must stay together with.
            places: Whether other images of a place that taught are barred too.
        """
        return frozenset(
            group
            for image, group in zip(images, groups, strict=True)
            if self._knows(image) or (places and image.location in self.places)
        )

    def refuse_tested(
        self,
        images: Sequence[LabelledImage],
        parts: Sequence[str],
        sequences: Sequence[str],
        *,
        stated: Stated,
    ) -> list[str]:
        """Refuse a split that was stated and tests on what taught; return what must be said.

        Args:
            images: n images.
            parts: The part of each.
            sequences: Of each.
            stated: Who states the split; one that is insisted on may test at places that taught.

        Raises:
            DataError: The split contradicts what the earlier pack learned from.
        """
        barred = self.groups(images, sequences, places=False)
        wrong = [
            image
            for image, part, sequence in zip(images, parts, sequences, strict=True)
            if part in TESTED and sequence in barred
        ]
        if wrong:
            raise DataError(
                f"{stated.source} tests on {len(wrong)} images that taught {self.pack}, by"
                f" themselves or by their sequence, e.g. {wrong[0].path.name}: {stated.decline},"
                " and one is made that keeps them out of the test part"
            )
        tested = {i.location for i, part in zip(images, parts, strict=True) if part == "test"}
        shared = sorted(place for place in tested if place in self.places)
        if shared and not stated.insisted:
            raise DataError(
                f"{stated.source} tests at {len(shared)} places that taught {self.pack}, e.g."
                f" {shared[0]}: {stated.decline}, or add {stated.insist}, and the report will say"
                " so"
            )
        return [RANDOM_SPLIT] if shared else []

    def warnings(self, images: Sequence[LabelledImage], parts: Sequence[str]) -> list[str]:
        """Return what a reader of the figures must know.

        Args:
            images: n images.
            parts: The part of each in the split at hand.
        """
        said = []
        if not self.is_known:
            said.append(
                f"EARLIER IMAGES UNKNOWN: nobody can tell which images taught {self.pack} (its"
                " report/split.csv, or that of a pack before it, is not there or was altered): test"
                " images may be among them, and these figures too good"
            )
        fitted = [i for i, part in zip(images, parts, strict=True) if part in LEARNED_FROM]
        if known := sum(self._knows(image) for image in fitted):
            said.append(
                f"{known} of {len(fitted)} images of the rounds taught {self.pack}: the figures by"
                " which method and thresholds were chosen are not blind to its adapters, and rather"
                " too good; the test part is blind to them"
            )
        return said

    def _knows(self, image: LabelledImage) -> bool:
        own = (image.location, image.sequence)
        return image.facts.sha256 in self.rows or own in self._sequences

    @cached_property
    def _sequences(self) -> frozenset[tuple[str | None, str]]:
        """Place and name of the sequences that taught; without a place names mean nothing."""
        rows = self.rows.values()
        return frozenset((row.location, row.sequence) for row in rows if row.location)


NOTHING_TAUGHT = Taught()
"""Of a training that stands on no earlier pack."""
