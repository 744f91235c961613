"""Which labelled images a pack may be judged on: never those that it learned from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeclip.errors import DataError
from edgeclip.labels.dataset import LabelledImage
from edgeclip.openings import REPORT_FOLDER
from edgeclip.split_file import read_split, read_split_rows
from edgeclip.split_groups import location_groups, sequence_groups
from edgeclip.split_rows import LEARNED_FROM, TESTED, Part, SplitRow

SPLIT_FILE = "split.csv"


@dataclass(frozen=True)
class Roles:
    """What each labelled image is for.

    Attributes:
        train: Indices of the images that trained; for baselines.
        validation: Indices of those that thresholds were chosen on; for baselines.
        judged: Indices of those to judge on.
        taught_locations: Of training and validation, also of images that are not among these.
        notes: What a reader must know.
    """

    train: tuple[int, ...]
    validation: tuple[int, ...]
    judged: tuple[int, ...]
    taught_locations: frozenset[str]
    notes: tuple[str, ...]


def roles_of(
    images: Sequence[LabelledImage],
    pack: Path,
    *,
    split: Path | None = None,
    allow_shared_places: bool = False,
) -> Roles:
    """Return what each image is for, by a split's table, else by the pack's own.

    Args:
        images: Of the pack's classes.
        pack: Its folder; `report/split.csv` in it says what it learned from.
        split: A table to use instead.
        allow_shared_places: Of the table: also one in which places both teach and test.

    Raises:
        DataError: There is nothing to judge on, the table leaks or is of other images, or the pack
            learned from what is to be tested.
    """
    own = _own_rows(pack)
    if split is None:
        return _by_pack(images, own)
    parts, warnings = _by_table(images, split, allow_shared_places=allow_shared_places)
    judged = [index for index, part in enumerate(parts) if part in TESTED]
    learned = [index for index in judged if _part(own, images[index]) in LEARNED_FROM]
    if learned:
        raise DataError(
            f"the pack learned from {len(learned)} of the {len(judged)} test images of {split},"
            f" e.g. {images[learned[0]].path.name}: its figures would be too good: leave --split"
            " out, and the pack's own split is used"
        )
    known = _taught_sequences(own)
    further = [i for i in judged if (images[i].location, images[i].sequence) in known]
    if further:
        raise DataError(
            f"{split} tests {len(further)} frames of sequences that the pack learned from, e.g."
            f" {images[further[0]].path.name}: leave --split out, and they are left out"
        )
    rows = {
        image.facts.sha256: SplitRow(part, image.location)
        for image, part in zip(images, parts, strict=True)
        if part
    }
    return _roles(images, parts, judged, {**own, **rows}, warnings)


def _by_table(
    images: Sequence[LabelledImage], split: Path, *, allow_shared_places: bool
) -> tuple[list[Part | None], list[str]]:
    """Return the parts that a table states, and what must be said.

    `train` keeps frames with the label of their sequence out of its table: here they are tested
    where their sequence is, and else left out.
    """
    known = read_split_rows(split)
    stated = [
        row for row, i in enumerate(images) if i.facts.sha256 in known or not i.sequence_level
    ]
    own = [images[row] for row in stated]
    read = read_split(split, own, allow_shared_places=allow_shared_places)
    parts: list[Part | None] = [None] * len(images)
    for row, part in zip(stated, read.parts, strict=True):
        parts[row] = part
    filled = _as_their_sequences(images, parts)
    left = filled.count(None)
    said = (
        f"{left} images that the split does not name are left out: they have the label of their"
        " sequence, of which it tests no frame"
    )
    return filled, [*read.warnings, *([said] if left else [])]


def _as_their_sequences(
    images: Sequence[LabelledImage], parts: Sequence[Part | None]
) -> list[Part | None]:
    """Return the parts; an image without one gets that which tests its sequence, if one does."""
    groups = sequence_groups(images, location_groups(images))
    of: dict[str, set[Part]] = defaultdict(set)
    for group, part in zip(groups, parts, strict=True):
        if part:
            of[group].add(part)
    tests: dict[str, Part] = {
        group: part for group, own in of.items() if len(own) == 1 for part in own & TESTED
    }
    return [part or tests.get(group) for group, part in zip(groups, parts, strict=True)]


def _by_pack(images: Sequence[LabelledImage], own: dict[str, SplitRow]) -> Roles:
    """Judge on everything that the pack did not learn from.

    Other labels of the same images may put a sequence together that the training saw as two, one of
    them for validation: that changes nothing in what is judged.
    """
    parts = [_part(own, image) for image in images]
    judged = [index for index, part in enumerate(parts) if part not in LEARNED_FROM]
    notes = []
    if not own:
        notes.append(
            "the pack's report/split.csv is not there: nobody can tell whether it learned from"
            " these images, or knows their places"
        )
    elif learned := len(images) - len(judged):
        notes.append(f"{learned} images that the pack learned from are left out")
    judged, said = _without_taught_sequences(images, parts, judged, own)
    return _roles(images, parts, judged, own, [*notes, *said])


def _without_taught_sequences(
    images: Sequence[LabelledImage],
    parts: Sequence[str | None],
    judged: list[int],
    own: dict[str, SplitRow],
) -> tuple[list[int], list[str]]:
    """Leave out further frames of what taught, whether or not the frame that taught is here."""
    groups = sequence_groups(images, location_groups(images))
    taught = {group for group, part in zip(groups, parts, strict=True) if part in LEARNED_FROM}
    known = _taught_sequences(own)
    left = [
        row
        for row in judged
        if groups[row] not in taught and (images[row].location, images[row].sequence) not in known
    ]
    count = len(judged) - len(left)
    said = f"{count} frames of sequences that the pack learned from are left out"
    return left, [said] if count else []


def _taught_sequences(own: dict[str, SplitRow]) -> set[tuple[str | None, str]]:
    """Return place and name of each sequence that taught; without a place none is known."""
    return {
        (row.location, row.sequence)
        for row in own.values()
        if row.part in LEARNED_FROM and row.location and row.sequence
    }


def _roles(
    images: Sequence[LabelledImage],
    parts: Sequence[str | None],
    judged: Sequence[int],
    rows: dict[str, SplitRow],
    notes: Sequence[str],
) -> Roles:
    if not judged:
        raise DataError(
            f"the pack learned from all of these {len(images)} images: give others, which it has"
            " not seen"
        )
    taught, said = _taught_places(images, rows)
    return Roles(
        train=tuple(index for index, part in enumerate(parts) if part == "train"),
        validation=tuple(index for index, part in enumerate(parts) if part == "validation"),
        judged=tuple(judged),
        taught_locations=taught,
        notes=(*notes, *said, *_of_bursts([images[index] for index in judged])),
    )


def _taught_places(
    images: Sequence[LabelledImage], rows: dict[str, SplitRow]
) -> tuple[frozenset[str], list[str]]:
    """Return the places of what taught, and what must be said of images without one.

    Images that a class was taught from have none in their pack; those that are here say theirs.
    """
    here = {image.facts.sha256: image.location for image in images}
    learned = [
        row.location or here.get(sha256) for sha256, row in rows.items() if row.part in LEARNED_FROM
    ]
    places = frozenset(place for place in learned if place)
    unplaced = sum(not place for place in learned)
    said = (
        f"{unplaced} of the {len(learned)} images that taught the pack have no place: places that"
        " count as new may be theirs"
    )
    return places, [said] if places and unplaced else []


def _of_bursts(images: Sequence[LabelledImage]) -> list[str]:
    """Return what must be said of labels that are of whole sequences."""
    whole = sum(image.sequence_level for image in images)
    said = (
        f"{whole} of {len(images)} images have the label of their whole sequence: beside others"
        " they count for sequences, visits and alarms, not for figures of single images"
    )
    return [said] if whole else []


def _own_rows(pack: Path) -> dict[str, SplitRow]:
    path = pack / REPORT_FOLDER / SPLIT_FILE
    return dict(read_split_rows(path)) if path.is_file() else {}


def _part(rows: dict[str, SplitRow], image: LabelledImage) -> Part | None:
    row = rows.get(image.facts.sha256)
    return row.part if row else None
