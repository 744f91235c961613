"""What the renderer draws: one row by day and dusk, one in infrared."""

from __future__ import annotations

from datetime import datetime, timezone

from PIL import Image

from edgeclip.scenes.bodies import Pose
from edgeclip.scenes.light import Light
from edgeclip.scenes.scene import render
from edgeclip.scenes.subjects import SceneSpec, Subject
from scripts.pictures.image_files import narrowed, rows_of

_TILE_PX = 420
_DAY, _DUSK, _NIGHT = Light("day", sun=0.7), Light("dusk", exposure=1.3), Light("infrared")
_SHOWN = (
    ((9003, _DAY, "leopard", 0.34), (9006, _DUSK, "impala", 0.2), (9011, _DAY, "", 0.0)),
    ((9006, _NIGHT, "leopard", 0.36), (9003, _NIGHT, "spotted hyena", 0.3), (9011, _NIGHT, "", 0)),
)  # fmt: skip


def scenes() -> Image.Image:
    """Return six scenes: location, light, who is there, and how high."""
    return rows_of([[_tile(*what) for what in row] for row in _SHOWN])


def _tile(place: int, light: Light, species: str, height: float) -> Image.Image:
    who = (Subject(species, x=0.45, height=height, pose=Pose(0.8, 0.5, 8.0), individual=3),)
    hour = {"day": 10, "dusk": 18, "infrared": 21}[light.kind]
    spec = SceneSpec(
        location=place,
        light=light,
        subjects=who if species else (),
        wind=0.4,
        time_s=3.0,
        at=datetime(2024, 5, 12, hour, 34, tzinfo=timezone.utc),
        temperature_c=14 if light.is_infrared else 26,
        seed=place,
        strip=True,
    )
    return narrowed(Image.fromarray(render(spec).image), _TILE_PX)
