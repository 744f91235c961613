"""Tables `[privacy]` and `[location]` of the configuration: people, and places worth hiding."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from edgeclip.contract.places import GRIDS_DEG, PlaceMode
from edgeclip.contract.settings import Settings

HumanPolicy = Literal["drop", "blur", "count_only", "keep_encrypted"]


class PrivacySettings(Settings):
    """Table `[privacy]`: what becomes of people before the camera."""

    human_policy: HumanPolicy = Field(
        "drop",
        description="drop: nothing of a person is kept; count_only: a detection without picture; "
        "blur: with a picture in which nobody can be told; keep_encrypted: with none, and the "
        "picture stays on the device, readable with one key alone.",
    )
    human_from: float = Field(
        0.3, gt=0, le=1, description="A frame shows a person from this probability on."
    )
    poaching_alerts: bool = Field(
        False,
        description="People raise alerts, also with drop, then without picture. Only where the law "
        "allows it.",
    )
    public_key: Annotated[Path, Field(strict=False)] | None = Field(
        None, description="X25519 public key (PEM) for keep_encrypted."
    )
    withheld_mb: int = Field(
        200, ge=1, description="Most megabytes of encrypted pictures; the oldest go first."
    )

    @model_validator(mode="after")
    def _a_key_where_one_is_needed(self) -> PrivacySettings:
        if self.human_policy == "keep_encrypted" and self.public_key is None:
            raise ValueError("human_policy = keep_encrypted needs a public_key")
        return self


class PlaceSettings(Settings):
    """Table `[location.classes.CLASS]`: what may be told of where a class was."""

    mode: PlaceMode = Field("withheld", description="exact, generalised or withheld.")
    precision_deg: float | None = Field(
        None, description="Side of the grid's cells for generalised: 1.0, 0.1, 0.01 or 0.001."
    )

    @field_validator("precision_deg")
    @classmethod
    def _is_a_grid(cls, value: float | None) -> float | None:
        if value is not None and value not in GRIDS_DEG:
            raise ValueError(f"{value:g} is no grid: there are {', '.join(map(str, GRIDS_DEG))}")
        return value

    @model_validator(mode="after")
    def _a_grid_where_one_is_needed(self) -> PlaceSettings:
        if (self.mode == "generalised") != (self.precision_deg is not None):
            raise ValueError("precision_deg and mode = generalised belong together")
        return self


class LocationSettings(Settings):
    """Table `[location]`: where the device stands; without it only the dashboard knows."""

    latitude: float | None = Field(None, ge=-90, le=90, description="Degrees north, WGS 84.")
    longitude: float | None = Field(None, ge=-180, le=180, description="Degrees east.")
    uncertainty_m: float = Field(
        30.0, gt=0, le=100_000, description="How far off the two may be, m."
    )
    classes: dict[str, PlaceSettings] = Field(
        default_factory=dict, description="By class name; without an entry withheld."
    )

    @model_validator(mode="after")
    def _a_place_has_two(self) -> LocationSettings:
        if (self.latitude is None) != (self.longitude is None):
            raise ValueError("latitude and longitude belong together")
        told = sorted(name for name, item in self.classes.items() if item.mode != "withheld")
        if told and self.latitude is None:
            raise ValueError(f"classes.{told[0]} is to be told, but there is no latitude")
        return self
