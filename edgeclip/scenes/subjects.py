"""Who is in a scene, and what a scene is asked to show."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timezone

from edgeclip.scenes.bodies import Pose
from edgeclip.scenes.light import Light
from edgeclip.scenes.locations import Location
from edgeclip.scenes.species import SPECIES, Species

Box = tuple[float, float, float, float]
"""x, y, width, height relative to the frame, 0..1, origin top left."""


@dataclass(frozen=True)
class Subject:
    """An animal, person or vehicle in a scene.

    Attributes:
        species: A name of `SPECIES`.
        x: Column of its middle, part of the frame's width; may lie outside 0..1.
        height: Shoulder height (of a person or vehicle: full height), part of the frame's height.
        pose: How it stands.
        faces_left: Else right.
        individual: Seed of coat marks, clothes or paint.
        yaw: 1 is square to the camera; smaller is shortened, at least 0.4.
    """

    species: str
    x: float = 0.5
    height: float = 0.3
    pose: Pose = field(default_factory=Pose)
    faces_left: bool = False
    individual: int = 0
    yaw: float = 1.0

    @property
    def kind(self) -> Species:
        """The species."""
        return SPECIES[self.species]

    def distance_m(self, place: Location, size: tuple[int, int]) -> float:
        """Return how far from the camera it must be to look so high in a frame of `(H, W)`."""
        return place.focal * size[1] * self.kind.height_m / (self.height * size[0])


@dataclass(frozen=True)
class SceneSpec:
    """All that decides a frame; the same specification gives the same pixels.

    Attributes:
        location: Seed of the camera place.
        light: Day, dusk or infrared.
        subjects: Who is there; empty for a blank.
        wind: 0 calm .. 1 strong.
        time_s: Moment of the wind's movement.
        at: What the information strip shows.
        temperature_c: What the information strip shows.
        seed: Of sensor noise and caption.
        strip: Whether the information strip is burned in.
    """

    location: int
    light: Light = field(default_factory=Light)
    subjects: tuple[Subject, ...] = ()
    wind: float = 0.2
    time_s: float = 0.0
    at: datetime = datetime(2024, 5, 12, 12, 0, 0, tzinfo=timezone.utc)
    temperature_c: int = 18
    seed: int = 0
    strip: bool = True
