"""Health: how a device does, retained by the broker. Unknown is null, never 0."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import AwareDatetime, Field

from edgeclip.contract.detection import Clock, Epoch, Identifier, Message
from edgeclip.contract.pack import Probability

HEALTH_SCHEMA: Final = "edgeclip.health/1"

Quality = Literal["excellent", "fair", "poor", "unusable"]


class CameraHealth(Message):
    """The camera, as detect sees it."""

    fps: float | None = Field(None, ge=0, description="Frames a second that the camera gives.")
    expected_fps: float | None = Field(None, ge=0)
    frame_age_s: float | None = Field(None, ge=0, description="Of the newest frame.")
    stalls_1h: int | None = Field(None, ge=0)
    reopens_1h: int | None = Field(None, ge=0)
    quality: Quality | None = None


class GateHealth(Message):
    """The motion gate, since the last health but `forced`, `suppressed` and those after them."""

    open_pct: float | None = Field(None, ge=0, le=100)
    infer_per_min: float | None = Field(None, ge=0)
    forced: int | None = Field(None, ge=0, description="Since detect started, as those below.")
    suppressed: int | None = Field(None, ge=0)
    audit_hits: int | None = Field(None, ge=0)
    recalibrations: int | None = Field(None, ge=0)


class InferHealth(Message):
    """The classifier; times include the preprocessing."""

    count: int | None = Field(None, ge=0, description="Frames classified since detect started.")
    p50_ms: float | None = Field(None, ge=0)
    p95_ms: float | None = Field(None, ge=0)


class Drift(Message):
    """Whether what the camera sees is still what it saw, over the last 100 classified frames."""

    mean_top_probability: Probability | None = None
    unknown_rate: Probability | None = Field(
        None,
        description="Share of frames with neither a target at its `off` nor a sure other class.",
    )
    feature_distance: float | None = Field(
        None,
        ge=0,
        le=2,
        description="1 - cosine of the mean image features now and in the first frames of this"
        " deployment.",
    )


class VisitHealth(Message):
    """Visits since detect started."""

    new: int | None = Field(None, ge=0)
    alerts: int | None = Field(None, ge=0)
    rate_limited: int | None = Field(None, ge=0)


class OutboxHealth(Message):
    """What waits for its receipt."""

    rows: int | None = Field(None, ge=0)
    size_bytes: int | None = Field(None, ge=0, description="Detections and media.")
    oldest_age_s: float | None = Field(None, ge=0)
    dropped: int | None = Field(None, ge=0, description="All kinds, since the outbox began.")
    resent: int | None = Field(None, ge=0, description="Since the uplink started.")
    last_receipt_age_s: float | None = Field(None, ge=0)


class LinkHealth(Message):
    """The connection to the broker."""

    state: Literal["offline", "connecting", "online"] | None = None
    rtt_ms: float | None = Field(None, ge=0, description="From a publish to its PUBACK.")
    reconnects_1h: int | None = Field(None, ge=0)
    tx_bytes_day: int | None = Field(None, ge=0)
    refused: int | None = Field(None, ge=0, description="Messages that the broker refused.")


class StorageHealth(Message):
    """The disk of the state folder."""

    free_mb: float | None = Field(None, ge=0)
    write_mb_day: float | None = Field(None, ge=0, description="By everything, at today's rate.")
    wear_pct: float | None = Field(None, ge=0, le=100)


class PowerHealth(Message):
    """Power."""

    vdd_in_w: float | None = Field(None, ge=0)
    mode_name: str | None = None
    mode_requested: str | None = None
    energy_wh_day: float | None = Field(None, ge=0, description="At the last day's mean power.")
    oc_events: int | None = Field(None, ge=0, description="Over-current throttlings since boot.")
    battery_v: float | None = None
    solar_w: float | None = None


class ThermalHealth(Message):
    """Heat."""

    tj_c: float | None = None
    throttled: bool | None = None


class MemoryHealth(Message):
    """Memory, MB."""

    rss_mb: float | None = Field(None, ge=0, description="Of detect.")
    available_mb: float | None = Field(None, ge=0)


class ProcessHealth(Message):
    """detect as a process."""

    restarts: int | None = Field(None, ge=0, description="Starts of detect in this boot, less one.")
    watchdog_near_misses: int | None = Field(
        None, ge=0, description="Times that the watchdog waited more than half of its limit."
    )


class Health(Message):
    """How a device does."""

    schema_: Literal["edgeclip.health/1"] = Field(HEALTH_SCHEMA, alias="schema")
    device_id: Identifier
    at: AwareDatetime | None = Field(description="Null while the clock is not believed.")
    boot_id: Epoch | None = None
    uptime_s: float = Field(ge=0)
    clock: Clock
    camera: CameraHealth = CameraHealth()
    gate: GateHealth = GateHealth()
    infer: InferHealth = InferHealth()
    drift: Drift = Drift()
    visits: VisitHealth = VisitHealth()
    outbox: OutboxHealth = OutboxHealth()
    link: LinkHealth = LinkHealth()
    storage: StorageHealth = StorageHealth()
    power: PowerHealth = PowerHealth()
    thermal: ThermalHealth = ThermalHealth()
    memory: MemoryHealth = MemoryHealth()
    process: ProcessHealth = ProcessHealth()

    def to_json(self) -> bytes:
        """Return the health as compact UTF-8 JSON."""
        return self.model_dump_json(by_alias=True).encode()
