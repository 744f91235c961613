"""Vitals: how detect does, as it leaves it in the outbox for the uplink's health."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, ValidationError

from edgeclip.contract.health import (
    CameraHealth,
    Drift,
    GateHealth,
    InferHealth,
    ProcessHealth,
    VisitHealth,
)

VITALS = "vitals"  # key in `meta`


class Vitals(BaseModel):
    """How detect does at one moment.

    Attributes:
        boot_ns: When this was written, on the boot-time clock.
        frame_ns: When the newest frame came; None where none has.
        is_asleep: Whether the camera rests by the table `[power]`.
        is_waiting: Whether a watched folder can be read and has nothing new.
    """

    model_config = ConfigDict(frozen=True)

    boot_id: str
    boot_ns: int
    frame_ns: int | None
    camera: CameraHealth
    gate: GateHealth
    infer: InferHealth
    drift: Drift
    visits: VisitHealth
    process: ProcessHealth
    rss_mb: float | None
    available_mb: float | None
    is_asleep: bool = False
    is_waiting: bool = False

    @staticmethod
    def from_json(text: str | None) -> Vitals | None:
        """Return what `meta` says; None where detect has not run, or another version of it."""
        try:
            return Vitals.model_validate_json(text) if text else None
        except ValidationError:
            return None
