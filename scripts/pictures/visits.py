"""The visits that the pictures' dashboard holds: who, where, when, and the clip of each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgeclip.scenes.clips import ClipScript, Entry, write_clip

PLACES = """deployment_id,name,latitude,longitude,time_zone,habitat
ridge-2026,North ridge,0.3421,36.9012,Africa/Nairobi,rocky bushland
river-2026,River bend,0.3287,36.9184,Africa/Nairobi,riverine forest
saddle-2026,The saddle,0.3554,36.8871,Africa/Nairobi,open grassland
spring-2026,Cold spring,0.3333,36.8795,Africa/Nairobi,bushland
"""


@dataclass(frozen=True)
class Clip:
    """A clip that several visits may show.

    Attributes:
        location: Of the renderer.
        species: Who crosses.
        height: Shoulder height, part of the frame's height.
    """

    location: int
    night: bool
    species: str
    height: float
    faces_left: bool = False

    def write(self, path: Path) -> None:
        """Draw it: 2 s of the place alone, then the animal."""
        write_clip(
            path,
            script=ClipScript(
                location_seed=self.location, night=self.night, wind=0.3, duration_s=9.0, fps=5.0,
                entries=(Entry(self.species, 2.0, 8.5, self.height, self.faces_left),),
            ),
        )  # fmt: skip


CLIPS = {
    "leopard-night": Clip(9006, True, "leopard", 0.36),
    "leopard-ridge": Clip(9003, True, "leopard", 0.33, faces_left=True),
    "leopard-day": Clip(9003, False, "leopard", 0.36, faces_left=True),
    "hyena-night": Clip(9003, True, "spotted hyena", 0.32),
    "hyena-river": Clip(9006, True, "spotted hyena", 0.32, faces_left=True),
    "impala-day": Clip(9003, False, "impala", 0.24),
    "impala-river": Clip(9006, False, "impala", 0.24, faces_left=True),
    "impala-dawn": Clip(9011, False, "impala", 0.24),
    "hyena-spring": Clip(9011, True, "spotted hyena", 0.34),
}
DEVICES = {
    "ridge-north": "ridge-2026",
    "river-west": "river-2026",
    "saddle-east": "saddle-2026",
    "cold-spring": "spring-2026",
}
"""The deployment of each device."""

VISITS = (
    # days ago, hour UTC, clip, device; the last is seen live
    (9, 17, "hyena-night", "saddle-east"),
    (9, 19, "leopard-ridge", "ridge-north"),
    (8, 4, "impala-day", "ridge-north"),
    (7, 6, "impala-river", "river-west"),
    (7, 20, "hyena-river", "river-west"),
    (6, 3, "impala-dawn", "cold-spring"),
    (6, 18, "leopard-night", "river-west"),
    (5, 5, "impala-river", "river-west"),
    (5, 21, "hyena-spring", "cold-spring"),
    (4, 7, "impala-day", "saddle-east"),
    (3, 19, "leopard-ridge", "saddle-east"),
    (2, 6, "impala-river", "river-west"),
    (2, 18, "leopard-night", "river-west"),
    (1, 20, "hyena-river", "river-west"),
    (1, 21, "hyena-spring", "cold-spring"),
    (0, 0, "leopard-day", "ridge-north"),
)
