"""Leaks between the parts of a split are refused: a sequence, a shot or a place in two of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from edgeclip.errors import DataError
from edgeclip.split_groups import Images, location_groups, sequence_groups
from edgeclip.split_rows import LEARNED_FROM

RANDOM_SPLIT = (
    "RANDOM SPLIT: places are on both sides of the split, so the figures say nothing about new"
    " places and are too good"
)
_SHOWN = 3


def check_parts(images: Images, parts: Sequence[str], *, places_apart: bool = True) -> None:
    """Check that nothing that was learned from is also tested on.

    Args:
        images: n images.
        parts: The part of each.
        places_apart: Also refuse a place that both teaches and tests. `test_seen` may share places
            with training: that is what it is for.

    Raises:
        DataError: The same file, shot or sequence is in two parts, or a place is; the message
            names some.
    """
    _refuse("file", [image.facts.sha256 for image in images], parts)
    places = location_groups(images)
    _refuse("shot", [image.near_duplicate for image in images], parts)
    _refuse("sequence", sequence_groups(images, places), parts)
    if places_apart:
        _refuse_places(images, parts)


def places_are_apart(images: Images, parts: Sequence[str]) -> bool:
    """Say whether no place of the test part also taught."""
    return not _shared_places(images, parts)


def _refuse(kind: str, groups: Sequence[str | None], parts: Sequence[str]) -> None:
    held: dict[str, set[str]] = defaultdict(set)
    for group, part in zip(groups, parts, strict=True):
        if group is not None:
            held[group].add(part)
    if torn := sorted(name for name, own in held.items() if len(own) > 1):
        both = " and ".join(sorted(held[torn[0]]))
        raise DataError(
            f"the split leaks: {len(torn)} times the same {kind} is in {both}:"
            f" {_listed(torn)}: put each {kind} into one part"
        )


def _refuse_places(images: Images, parts: Sequence[str]) -> None:
    if shared := _shared_places(images, parts):
        raise DataError(
            f"the split leaks: {len(shared)} places both teach and test: {_listed(shared)}: split"
            " by place, or add --allow-random-split, and the report will say so"
        )


def _shared_places(images: Images, parts: Sequence[str]) -> list[str]:
    taught, tested = set(), set()
    for image, part in zip(images, parts, strict=True):
        if image.location is not None and part in LEARNED_FROM:
            taught.add(image.location)
        elif image.location is not None and part == "test":
            tested.add(image.location)
    return sorted(taught & tested)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
