"""Table `[motion]` of the configuration: the gate in front of the classifier."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from edgeclip.contract.pack import Probability
from edgeclip.contract.settings import Settings

Percent = Annotated[float, Field(ge=0, le=100)]
Polygon = list[list[Probability]]


class MotionSettings(Settings):
    """Table `[motion]`: the gate in front of the classifier."""

    algorithm: Literal["mog2", "average", "difference", "off"] = Field(
        "mog2", description="How the background is known; off classifies every frame."
    )
    min_blob_pct: Percent = Field(
        0.02, description="Smallest connected change that counts, % of the frame."
    )
    max_changed_pct: Percent = Field(
        60.0,
        description="More change than this, % of what no mask covers, is a change of light: the "
        "gate calibrates anew.",
    )
    max_luminance_jump: float = Field(
        25.0, gt=0, le=255, description="A larger jump of the mean grey level is one, too."
    )
    forced_every_s: float = Field(
        60.0, gt=0, description="Classify a frame at least this often, motion or not."
    )
    masks: list[Polygon] = Field(
        default_factory=list,
        max_length=16,
        description="Polygons [[x, y], ...] in 0..1 in which nothing counts as motion.",
    )
    zones: list[Polygon] = Field(
        default_factory=list,
        max_length=16,
        description="Polygons outside of which nothing counts as motion; none: the whole frame.",
    )
    learned_noise: bool = Field(
        False,
        description="Learn from frames that were called blank where plants move, and hold such "
        "motion back. Compare on replayed clips before switching it on.",
    )
    audit_every_s: float = Field(
        60.0,
        gt=0,
        description="Of the frames that learned noise holds back, 1 % and at least one in so long "
        "is classified all the same, and counted.",
    )

    @field_validator("masks", "zones")
    @classmethod
    def _are_polygons(cls, polygons: list[Polygon]) -> list[Polygon]:
        if any(len(shape) < 3 or any(len(point) != 2 for point in shape) for shape in polygons):
            raise ValueError("a mask or zone is a list of at least three points [x, y]")
        return polygons
