"""The graph's free dimensions: their names, and the sizes that an engine is built for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edgeclip.contract.bundle import Profile
from edgeclip.contract.slots import ALL_SLOTS, GraphKind
from edgeclip.errors import ConfigError, PackError

DIMENSION_NAMES: Final[Mapping[str, str]] = {
    "B": "batch",
    "K": "columns",
    "M": "prompts",
    "H": "hidden",
    "d": "attention",
    "C": "entries",
    "h": "block_hidden",
    "T": "text_tokens",
}
"""Letter of `contract.slots` -> the dimension's name in the graph."""

LEAST_IMAGES: Final = 2
MOST_IMAGES: Final = 64
"""Largest batch that a bundle can be made for."""

Shapes = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]
"""Smallest, usual and largest shape."""


def default_profiles(max_batch: int = 4, graph: GraphKind = "head") -> dict[str, Profile]:
    """Return the sizes a bundle's engines take, by letter.

    Args:
        max_batch: Images of one call, 2 to `MOST_IMAGES`: a device classifies the whole frame and
            the crop of what moves as one batch.
        graph: Of the bundle.

    Raises:
        ConfigError: `max_batch` is out of range.
    """
    if not LEAST_IMAGES <= max_batch <= MOST_IMAGES:
        raise ConfigError(
            f"--max-batch is {max_batch}: give {LEAST_IMAGES} to {MOST_IMAGES}, since a device"
            " classifies frame and crop together"
        )
    inside = {"h": Profile(min=1, opt=16, max=64), "T": Profile(min=1, opt=9, max=33)}
    return {
        "B": Profile(min=1, opt=1, max=max_batch),
        "K": Profile(min=1, opt=8, max=64),
        "M": Profile(min=1, opt=8, max=128),
        "H": Profile(min=1, opt=128, max=256),
        "d": Profile(min=1, opt=64, max=128),
        "C": Profile(min=1, opt=1, max=1024),
        **(inside if graph == "deep" else {}),
    }


def check_pack_fits(
    filled: Mapping[str, NDArray[np.float32]], profiles: Mapping[str, Profile]
) -> None:
    """Refuse a pack whose tensors are larger than the engine takes.

    Args:
        filled: What `contract.slots.filled_slots` gave.
        profiles: The bundle's, by letter.

    Raises:
        PackError: A free dimension lies outside its profile; the message names it.
    """
    for name, tensor in filled.items():
        for letter, size in zip(ALL_SLOTS[name].dims, tensor.shape, strict=True):
            profile = profiles.get(letter)
            if profile is not None and not profile.min <= size <= profile.max:
                raise PackError(
                    f"{name} has {size} {DIMENSION_NAMES[letter]} ({letter}), an engine of this"
                    f" bundle takes {profile.min} to {profile.max}: train a smaller pack"
                )


def input_shapes(name: str, profiles: Mapping[str, Profile], fixed: tuple[int, ...]) -> Shapes:
    """Return the smallest, usual and largest shape of one input of the graph.

    Args:
        name: `images` or a slot.
        profiles: The bundle's, by letter.
        fixed: The input's shape in the graph, with -1 for each free dimension.

    Raises:
        ConfigError: The graph leaves a dimension free that has no profile.
    """
    letters = ("B", "", "", "") if name == "images" else ALL_SLOTS[name].dims
    columns = []
    for letter, size in zip(letters, fixed, strict=True):
        profile = profiles.get(letter)
        if size >= 0:
            columns.append((size, size, size))
        elif profile is None:
            raise ConfigError(f"{name}: dimension {letter!r} is free and has no profile")
        else:
            columns.append((profile.min, profile.opt, profile.max))
    low, usual, high = zip(*columns, strict=True)
    return low, usual, high
