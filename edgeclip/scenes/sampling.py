"""Random scenes: what a camera at a location may show, all from one generator."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from math import pi

import numpy as np

from edgeclip.scenes.bodies import Pose
from edgeclip.scenes.light import Light
from edgeclip.scenes.locations import Location, location
from edgeclip.scenes.species import BLANK, SPECIES
from edgeclip.scenes.subjects import SceneSpec, Subject

_FIRST_DAY = datetime(2024, 3, 1, tzinfo=timezone.utc)
_DAYS = 120
_LOWEST_FOOT = 0.99  # part of the frame's height: feet may touch the lower edge, not leave it
_HEIGHTS = {"small": (0.1, 0.34), "medium-sized": (0.13, 0.42), "large": (0.16, 0.52)}
_TALL = (0.24, 0.5)  # the camera is low: taller ones lose their heads
_HERDS = ("impala", "guineafowl", "baboon", "mongoose", "zebra", "person")


def sample_scene(
    rng: np.random.Generator, label: str, place_seed: int, *, night: bool, strip: bool = True
) -> SceneSpec:
    """Return a random scene of a label at a location.

    Args:
        rng: Decides everything else.
        label: A name of `SPECIES`, or `blank`.
        place_seed: Seed of the location.
        night: Infrared; otherwise day, or dusk one time in eight.
        strip: Whether the information strip is burned in.

    Raises:
        ValueError: The label is neither `blank` nor a species.
    """
    if label != BLANK and label not in SPECIES:
        known = ", ".join([BLANK, *SPECIES])
        raise ValueError(f"label {label!r} cannot be rendered: known are {known}")
    place, light = location(place_seed), sample_light(rng, night=night)
    subjects: tuple[Subject, ...] = ()
    if label != BLANK:
        first = sample_subject(rng, label, place)
        subjects = (first,)
        if label in _HERDS and rng.random() < 0.25:
            subjects = (first, _companion(rng, first, place))
    return SceneSpec(
        location=place_seed,
        light=light,
        subjects=subjects,
        wind=float(rng.choice([rng.uniform(0, 0.3), rng.uniform(0.6, 1.0)])),
        time_s=float(rng.uniform(0, 300)),
        at=_sample_time(rng, light),
        temperature_c=int(rng.integers(8, 20) if night else rng.integers(15, 36)),
        seed=int(rng.integers(2**31)),
        strip=strip,
    )


def sample_light(rng: np.random.Generator, *, night: bool) -> Light:
    """Return random light; at night always infrared."""
    quality = int(rng.integers(62, 92))
    if night:
        return Light(
            "infrared", float(rng.uniform(0.75, 1.3)), 0.0, float(rng.uniform(3.5, 7)), quality
        )
    if rng.random() < 0.125:
        return Light("dusk", float(rng.uniform(0.8, 1.3)), 0.0, 5.0, quality)
    sun = float(rng.choice([rng.uniform(0, 0.3), rng.uniform(0.5, 1.0)]))
    return Light("day", float(rng.uniform(0.8, 1.2)), sun, 5.0, quality)


def sample_subject(rng: np.random.Generator, species: str, place: Location) -> Subject:
    """Return a random individual in a random pose, near enough to be recognised."""
    kind = SPECIES[species]
    feeding = rng.random() < 0.25
    low, high = _TALL if species in ("person", "elephant", "vehicle") else _HEIGHTS[kind.size]
    pose = Pose(
        phase=float(rng.uniform(0, 2 * pi)),
        stride=kind.strides * float(rng.choice([0.3, 1.0, 1.25])),
        head_drop=float(rng.uniform(40, 60) if feeding else rng.uniform(-6, 22)),
    )
    return Subject(
        species=species,
        x=float(rng.uniform(0.18, 0.82) if rng.random() < 0.85 else rng.choice([0.04, 0.96])),
        height=min(float(rng.uniform(low, high)), tallest(species, place)),
        pose=pose,
        faces_left=bool(rng.random() < 0.5),
        individual=int(rng.integers(2**31)),
        yaw=float(rng.uniform(0.66, 1.0)),
    )


def tallest(species: str, place: Location) -> float:
    """Return the greatest `Subject.height` whose feet are inside the frame."""
    below = _LOWEST_FOOT - place.horizon
    return below * SPECIES[species].height_m / place.camera_height_m


def _companion(rng: np.random.Generator, first: Subject, place: Location) -> Subject:
    other = sample_subject(rng, first.species, place)
    aside = float(rng.uniform(0.2, 0.4)) * (1 if first.x < 0.5 else -1)
    return replace(
        other,
        x=first.x + aside,
        height=min(first.height * float(rng.uniform(0.8, 1.05)), tallest(first.species, place)),
    )


def _sample_time(rng: np.random.Generator, light: Light) -> datetime:
    hours = {"day": (7.0, 17.5), "dusk": (18.0, 18.6), "infrared": (19.2, 29.5)}[light.kind]
    offset = timedelta(days=int(rng.integers(_DAYS)), hours=float(rng.uniform(*hours)))
    return _FIRST_DAY + timedelta(seconds=round(offset.total_seconds()))
