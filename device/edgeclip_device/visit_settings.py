"""Tables `[visits]` and `[limits]` of the configuration: frames to detections, and how many."""

from __future__ import annotations

from pydantic import Field, field_validator, model_validator

from edgeclip.contract.settings import Settings


class VisitSettings(Settings):
    """Table `[visits]`: how frames become one detection."""

    frames: int = Field(3, ge=1, le=60, description="N: so many frames must vote at the least ...")
    of: int = Field(10, ge=1, le=60, description="M: ... of the last M classified ones.")
    agreeing_pct: float = Field(
        60.0, ge=1, le=100, description="So many of them must agree, in %; their median must, too."
    )
    fast_path: bool = Field(
        True, description="One frame >= 0.98 with a margin >= 0.9 is enough for a detection."
    )
    quiet_s: float = Field(
        10.0, gt=0, le=3600, description="A visit ends after so long without support."
    )
    cooldown_s: float = Field(
        120.0, ge=0, le=86_400, description="A sighting within it extends the last detection."
    )
    realert_s: float = Field(
        1800.0, gt=0, le=86_400, description="A visit that lasts longer raises a new detection."
    )
    update_s: float = Field(
        10.0, ge=0, le=3600, description="Shortest time between two revisions with better media."
    )
    silence_s: float = Field(
        60.0, gt=0, le=86_400, description="A visit that goes on is told at least this often."
    )
    routine_classes: list[str] = Field(
        default_factory=list, description="Classes that are no alert, only routine."
    )
    attributes: bool = Field(
        True, description="Tell what an animal's frames say to the attributes of the pack."
    )
    report_unknown: bool = Field(
        False, description="Also tell, as routine, of what moved and is like no class."
    )

    @field_validator("agreeing_pct", mode="before")
    @classmethod
    def _is_no_share(cls, value: object) -> object:
        if isinstance(value, float) and 0 < value < 1:
            raise ValueError(f"{value:g} is {value:g} %: write {value * 100:g} for {value:.0%}")
        return value

    @model_validator(mode="after")
    def _n_of_m(self) -> VisitSettings:
        if self.frames > self.of:
            raise ValueError(f"frames = {self.frames} of {self.of} can never agree: lower frames")
        return self


class LimitSettings(Settings):
    """Table `[limits]`: what a trapped animal or a storm may cost; what is held back is counted."""

    inferences_per_min: float = Field(
        120.0, gt=0, le=6000, description="Classified frames a minute, in the long run."
    )
    inferences_burst_min: float = Field(
        10.0, gt=0, le=1440, description="So many minutes' worth may be used at once."
    )
    alerts_per_hour: float = Field(
        30.0, gt=0, le=3600, description="Alerts an hour; those beyond come as routine."
    )
