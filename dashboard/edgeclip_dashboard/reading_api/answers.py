"""The answers of `/api/v1`, as its OpenAPI description names them; times are UTC."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from edgeclip.contract.attribute_answers import Attributes


class Answer(BaseModel):
    """A part of an answer, filled from a row or a view."""

    model_config = ConfigDict(from_attributes=True, frozen=True)


class MediaAnswer(Answer):
    """A stored snapshot; people in it are blurred for viewers."""

    n: int
    kind: str = Field(description="full, crop or thumb")
    sha256: str
    width: int
    height: int
    url: str


class DetectionAnswer(Answer):
    """A detection as its newest revision tells it, and what a person said."""

    detection_id: str
    rev: int
    device_id: str
    deployment_id: str
    camera_id: str
    phase: str
    severity: str
    is_test: bool
    is_historical: bool
    class_name: str | None = Field(description="What the device told.")
    scientific_name: str | None
    observation_type: str
    probability: float | None
    threshold: float | None
    failure: str | None
    votes_frames: int | None
    votes_agreeing: int | None
    pack: str
    started_at: datetime | None
    best_at: datetime | None
    ended_at: datetime | None
    occurred_at: datetime = Field(description="With a wrong clock put right.")
    clock: str | None
    light: str | None
    verdict: str | None = Field(description="right, wrong or other; the newest of a person.")
    verdict_class: str | None = Field(
        description="Of right what the person saw, of other what is there; null with wrong."
    )
    attributes: Attributes | None = Field(
        description="What else the device told in words, with a caption; null where nothing."
    )
    first_received_at: datetime
    received_at: datetime
    media: tuple[MediaAnswer, ...]


class DetectionPage(Answer):
    """Detections, the newest first."""

    items: tuple[DetectionAnswer, ...]
    next: str | None = Field(description="`cursor` of the next page; null on the last one.")


class VerdictAnswer(Answer):
    """What a person said of a detection."""

    id: int
    detection_id: str
    rev: int
    verdict: str
    class_name: str | None
    note: str
    account_name: str
    at: datetime


class VerdictPage(Answer):
    """Verdicts, in the order in which they were given."""

    items: tuple[VerdictAnswer, ...]
    next: int | None = Field(description="`after` of the next page; null on the last one.")


class WholeDetection(DetectionAnswer):
    """A detection with its history."""

    verdicts: tuple[VerdictAnswer, ...] = Field(description="The newest first.")
    revisions: tuple[dict[str, Any], ...] = Field(description="As received, the newest first.")


class DeviceAnswer(Answer):
    """What a device last said of itself."""

    device_id: str
    state: str | None
    since: datetime | None
    reason: str | None
    deployment_id: str | None
    camera_id: str | None
    edgeclip_version: str | None
    pack: str | None
    backend: str | None
    precision: str | None
    source: str | None
    machine: str | None
    is_armed: bool | None
    last_detection_at: datetime | None
    next_wake_at: datetime | None
    health_at: datetime | None
    battery_v: float | None


class AlarmAnswer(Answer):
    """An alarm of a device; `over_at` is null while it stands."""

    device_id: str
    code: str
    since: datetime | None
    detail: str
    received_at: datetime
    over_at: datetime | None


class HealthAnswer(Answer):
    """One health message in figures; what a device does not measure is null."""

    at: datetime
    battery_v: float | None
    power_w: float | None
    temperature_c: float | None
    free_mb: float | None
    outbox_rows: int | None
    fps: float | None
    infer_p95_ms: float | None
    feature_distance: float | None


class DeploymentAnswer(Answer):
    """One camera, one place, one period; WGS 84 degrees."""

    deployment_id: str
    name: str
    latitude: float | None
    longitude: float | None
    uncertainty_m: float | None
    started_at: datetime | None
    ended_at: datetime | None
    time_zone: str
    camera_model: str
    setup_by: str
    habitat: str
    comments: str
    updated_at: datetime
