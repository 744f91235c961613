"""What must never be torn apart: images of one place, one sequence, or one shot."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from edgeclip.labels.dataset import LabelledImage

Images = Sequence[LabelledImage]


def location_groups(images: Images) -> list[str]:
    """Return the group that must stay together: a location, and those that share a sequence."""
    ids = [image.seq_id for image in images]
    own = [None if seq_id and _counts_within_a_place(seq_id) else seq_id for seq_id in ids]
    keys = _joined([image.location or f"? {image.sequence}" for image in images], own)
    return _joined(keys, [image.near_duplicate for image in images])


def sequence_groups(images: Images, places: Sequence[str]) -> list[str]:
    """Return the sequence of each image; an id that spans two places is one sequence.

    Args:
        images: n images.
        places: What `location_groups` gave.
    """
    keys = [
        f"{place} {image.seq_id}" if image.seq_id else image.sequence
        for image, place in zip(images, places, strict=True)
    ]
    return _joined(keys, [image.near_duplicate for image in images])


def bursts_by_class(images: Images, bursts: Sequence[str]) -> dict[str, set[str]]:
    """Return the sequences in which each class stands; `bursts` is of the images, in order."""
    found: dict[str, set[str]] = defaultdict(set)
    for image, burst in zip(images, bursts, strict=True):
        found[image.class_name].add(burst)
    return found


def _joined(keys: Sequence[str], ties: Sequence[str | None]) -> list[str]:
    """Return the keys, with those made one between which a tie reaches."""
    leader: dict[str, str] = {}

    def find(name: str) -> str:
        while leader.setdefault(name, name) != name:
            name = leader[name]
        return name

    first: dict[str, str] = {}
    for key, tie in zip(keys, ties, strict=True):
        if tie:
            leader[find(key)] = find(first.setdefault(tie, key))
    return [find(key) for key in keys]


def _counts_within_a_place(seq_id: str) -> bool:
    """Short numbers start again at each camera; longer ids name one moment everywhere."""
    return seq_id.isdigit() and len(seq_id) <= 5
