"""What static keys are compared with: the same words for a camera's frames and an archive's."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final, Literal, get_args

from edgeclip.errors import ConfigError

if TYPE_CHECKING:  # it brings NumPy, which a command's options do without
    from edgeclip.contract.routing import RouterRow

PLACES = ("deployment", "location")
"""Keys of where a camera stood; an archive knows one place, and calls it by both."""

Light = Literal["day", "infrared"]
LIGHT: Final = "light"
LIGHTS: Final[tuple[str, ...]] = get_args(Light)

FRAME_KEYS: Final = ("camera", "deployment", LIGHT)
"""Keys that a device has values of for each frame."""

_SAID: Final = (*FRAME_KEYS, "location")
"""Keys that a device or an archive has values of by itself."""


def light_of(*, infrared: bool) -> Light:
    """Return the value of the key `light`."""
    return "infrared" if infrared else "day"


def require_possible(keys: Mapping[str, str], option: str) -> None:
    """Check that an image can have such facts.

    Args:
        keys: What must hold, or what is known.
        option: Where it was written, with what stands before the key.

    Raises:
        ConfigError: The light is none.
    """
    if keys.get(LIGHT, LIGHTS[0]) not in LIGHTS:
        raise ConfigError(f"{option}{LIGHT}={keys[LIGHT]}: {LIGHT} is {' or '.join(LIGHTS)}")


def doubt_of_key(key: str) -> str | None:
    """Return what there is to say of a key that only a person can give a value; else None."""
    if key in _SAID:
        return None
    near = difflib.get_close_matches(key, _SAID, n=1)
    meant = f"did you mean {near[0]}? Else" if near else "so"
    return (
        f"neither camera nor archive says {key} of an image by itself: {meant} it holds only where"
        f" --fact {key}=VALUE says so"
    )


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
    facts: dict[str, str] = {LIGHT: light_of(infrared=infrared)}
    for key in PLACES:
        known = {row.static[key] for row in rows if key in row.static}
        facts |= {key: _called(place, known)} if place else {}
    return {**facts, **given}


def _called(place: str, known: Iterable[str]) -> str:
    """Return a place by the name that a pack asks for: its own, else of a folder it lies in."""
    path = PurePosixPath(place)
    names = (place, *map(str, path.parents), *reversed(path.parts))
    return next((name for name in names if name in known), place)
