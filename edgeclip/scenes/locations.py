"""Locations: what stays the same at one camera place, all from one seed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np

from edgeclip.scenes.shapes import Color

Biome = Literal["savanna", "forest", "scrub"]
StripStyle = Literal["black", "white", "overlay"]


@dataclass(frozen=True)
class Palette:
    """Colours of a biome, RGB.

    Attributes:
        soil: Bare ground.
        turf: Ground under plants.
        leaves: Of bushes and branches, from dark to light.
        grass: Of blades, from dark to light.
        bark: Of trunks.
        sky: At the horizon.
    """

    soil: Color
    turf: Color
    leaves: tuple[Color, Color]
    grass: tuple[Color, Color]
    bark: Color
    sky: Color


PALETTES: dict[Biome, Palette] = {
    "savanna": Palette(
        (168, 128, 88), (172, 154, 92), ((70, 84, 40), (134, 142, 72)),
        ((150, 128, 70), (214, 190, 122)), (104, 86, 68), (196, 212, 226),
    ),
    "forest": Palette(
        (104, 78, 56), (92, 94, 52), ((34, 66, 30), (104, 142, 62)),
        ((58, 92, 40), (128, 160, 76)), (92, 80, 66), (186, 200, 190),
    ),
    "scrub": Palette(
        (150, 136, 112), (128, 130, 88), ((78, 92, 66), (148, 158, 112)),
        ((124, 122, 78), (182, 176, 126)), (112, 100, 86), (190, 208, 222),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Location:
    """One camera place; the same seed gives the same background for ever.

    Attributes:
        seed: Identifies it; terrain and plants derive their randomness from it.
        name: As in image sets, for example `loc-0007`.
        biome: Which palette.
        horizon: Row of the horizon, part of the frame's height from the top.
        camera_height_m: Above the ground.
        focal: Focal length, frame widths.
        density: How much grows, 0..1.
        tint: Gain of R, G and B, the camera's colour cast.
        strip: How the information strip looks.
        has_branch: A branch hangs into the frame.
        trunks: How many trunks stand in the middle distance.
        path: A bare path crosses the ground.
    """

    seed: int
    name: str
    biome: Biome
    horizon: float
    camera_height_m: float
    focal: float
    density: float
    tint: tuple[float, float, float]
    strip: StripStyle
    has_branch: bool
    trunks: int
    path: bool

    @property
    def palette(self) -> Palette:
        """Colours of the biome."""
        return PALETTES[self.biome]

    def rng(self, purpose: int) -> np.random.Generator:
        """Return randomness for one purpose that never changes at this location."""
        return np.random.default_rng([self.seed, purpose])

    def foot_row(self, distance_m: float, size: tuple[int, int]) -> float:
        """Return the row (px) where something at a distance stands in a frame of `(H, W)`."""
        height, width = size
        return self.horizon * height + self.camera_height_m * self.focal * width / distance_m

    def pixels_per_m(self, distance_m: float, width: int) -> float:
        """Return how many pixels a metre has at a distance, in a frame `width` px wide."""
        return self.focal * width / distance_m


@lru_cache(maxsize=4096)
def location(seed: int) -> Location:
    """Return the location of a seed.

    Args:
        seed: Not negative.

    Raises:
        ValueError: The seed is negative.
    """
    if seed < 0:
        raise ValueError(f"seed is {seed}: a location's seed is 0 or more")
    rng = np.random.default_rng([seed, 17])
    biome: Biome = ("savanna", "forest", "scrub")[int(rng.integers(3))]
    red, green, blue = rng.uniform(0.93, 1.07, 3)
    return Location(
        seed=seed,
        name=f"loc-{seed:04d}",
        biome=biome,
        horizon=float(rng.uniform(0.22, 0.4)),
        camera_height_m=float(rng.uniform(0.38, 0.62)),
        focal=float(rng.uniform(0.85, 1.15)),
        density=float(rng.uniform(0.25, 1.0)),
        tint=(float(red), float(green), float(blue)),
        strip=("black", "white", "overlay")[int(rng.integers(3))],
        has_branch=bool(rng.random() < (0.6 if biome == "forest" else 0.3)),
        trunks=int(rng.integers(2, 8)) if biome == "forest" else int(rng.integers(0, 3)),
        path=bool(rng.random() < 0.4),
    )
