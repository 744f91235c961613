"""What static keys are compared with: the same words for a camera's frames and an archive's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Literal

from edgeclip.contract.routing import RouterRow

PLACES = ("deployment", "location")
"""Keys of where a camera stood; an archive knows one place, and calls it by both."""

Light = Literal["day", "infrared"]


def light_of(*, infrared: bool) -> Light:
    """Return the value of the key `light`."""
    return "infrared" if infrared else "day"


def facts_of_image(
    place: str, rows: Sequence[RouterRow], given: Mapping[str, str], *, infrared: bool
) -> dict[str, str]:
    """Return what is known of an archived image.

    Args:
        place: Where its camera stood, as a table says or as its folders are called; may be empty.
        rows: The packs whose keys ask.
        given: By a person, of all images; goes before what the image says.
        infrared: Whether it has no colour.
    """
    facts: dict[str, str] = {"light": light_of(infrared=infrared)}
    for key in PLACES:
        known = {row.static[key] for row in rows if key in row.static}
        facts |= {key: _called(place, known)} if place else {}
    return {**facts, **given}


def _called(place: str, known: Iterable[str]) -> str:
    """Return a place by the name that a pack asks for: its own, else of a folder it lies in."""
    path = PurePosixPath(place)
    names = (place, *map(str, path.parents), *reversed(path.parts))
    return next((name for name in names if name in known), place)
