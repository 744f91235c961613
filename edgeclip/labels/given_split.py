"""Whether a split that the source states may be taken: it must not tear a place or a burst."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from edgeclip.labels.reading import ReadingOptions
from edgeclip.labels.sample import GivenPart, Sample

if TYPE_CHECKING:
    from edgeclip.labels.dataset import LabelledImage


def given_parts(
    images: Sequence[LabelledImage], samples: Sequence[Sample], options: ReadingOptions
) -> tuple[list[GivenPart | None], list[str]]:
    """Return the part of each image, or None for all where the source's is not taken; and why.

    Args:
        images: Usable images.
        samples: What each was read from, in their order.
        options: `use_split` takes a split that tears places, or declines any; bursts are never
            torn.
    """
    parts = [sample.part for sample in samples]
    nothing: list[GivenPart | None] = [None] * len(parts)
    stated = sum(part is not None for part in parts)
    if not stated:
        return nothing, []
    if options.use_split is False:
        return nothing, ["the source's split is not used: it was declined"]
    if stated < len(parts):
        bare = len(parts) - stated
        return nothing, [f"the source's split is not used: {bare} images are in no part of it"]
    if missing := sorted({"train", "validation", "test"} - set(parts)):
        return nothing, [f"the source's split is not used: it has no {', '.join(missing)}"]
    keys: dict[str, list[str | None]] = {
        "shot": [image.near_duplicate for image in images],
        "sequence": [image.sequence for image in images],
        "location": [image.location for image in images],
    }
    for kind, names in keys.items():
        torn = _torn(kind, names, parts)
        if torn and kind != "location":
            return nothing, [f"the source's split is not used: {torn}"]
        if torn and not options.use_split:
            return nothing, [f"the source's split is not used: {torn} (--use-split takes it)"]
    return parts, [f"the source's split is used{f', although {torn}' if torn else ''}"]


def _torn(kind: str, names: Sequence[str | None], parts: Sequence[GivenPart | None]) -> str:
    """Say what lies in two parts, or nothing."""
    seen: dict[str, set[GivenPart | None]] = defaultdict(set)
    for name, part in zip(names, parts, strict=True):
        if name:
            seen[name].add(part)
    torn = [name for name, own in seen.items() if len(own) > 1]
    if not torn:
        return ""
    return f"{kind} {torn[0]}" + (
        f" and {len(torn) - 1} more lie in two parts" if len(torn) > 1 else " lies in two parts"
    )
