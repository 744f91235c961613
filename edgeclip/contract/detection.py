"""Detection v1: one revision of one visit, as it travels from device to dashboard.

Writers are strict; readers ignore unknown fields, so that an older dashboard understands a newer
device.
"""

from __future__ import annotations

import re
import secrets
from typing import Annotated, Final, Literal

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from edgeclip.contract.attribute_answers import Attributes
from edgeclip.contract.encoder_view import Heat, ImageFeatures
from edgeclip.contract.pack import ObservationType, Probability, Sha256

DETECTION_SCHEMA: Final = "edgeclip.detection/1"
MOST_BYTES = 16_384

Identifier = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,32}$")]
Name = Annotated[str, StringConstraints(min_length=1, max_length=64)]
DetectionId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f-]{36}$")]
Epoch = Annotated[str, StringConstraints(pattern=r"^[0-9a-f-]{36}$")]
Phase = Literal["new", "update", "end", "retract"]
Severity = Literal["alert", "routine"]
RelativeBox = tuple[Probability, Probability, Probability, Probability]

_IDENTIFIER = re.compile(r"[a-z0-9-]{1,32}")
_DETECTION_ID = re.compile(r"[0-9a-f-]{36}")


def is_identifier(text: str) -> bool:
    """Say whether `text` can be a device, camera, project or deployment id."""
    return _IDENTIFIER.fullmatch(text) is not None


def is_detection_id(text: str) -> bool:
    """Say whether `text` can be the id of a detection."""
    return _DETECTION_ID.fullmatch(text) is not None


def new_id(wall_ms: int) -> str:
    """Return a UUID of version 7: sortable by time, unique by 74 random bits.

    Args:
        wall_ms: Milliseconds since 1970, from the clock or its last anchor.
    """
    value = (wall_ms & (1 << 48) - 1) << 80 | 7 << 76 | secrets.randbits(12) << 64
    value |= 2 << 62 | secrets.randbits(62)
    text = f"{value:032x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


class Message(BaseModel):
    """A part of a message: frozen; unknown fields are ignored on reading."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class Clock(Message):
    """How far the device's wall clock can be trusted."""

    trusted: bool
    source: Literal["ntp", "gnss", "rtc", "anchor", "none"]
    error_ms: int | None = None


class Time(Message):
    """When the visit was; null while unknown."""

    started_at: AwareDatetime | None
    best_at: AwareDatetime | None
    ended_at: AwareDatetime | None
    boot_ns: int = Field(ge=0, description="CLOCK_BOOTTIME of `best_at`.")
    clock: Clock


class Votes(Message):
    """How the frames of the visit voted for the class."""

    frames: int = Field(ge=1)
    agreeing: int = Field(ge=0)
    median: Probability
    peak: Probability


class AppliedThresholds(Message):
    """The thresholds that decided."""

    on: Probability
    off: Probability
    peak: Probability


class Gate(Message):
    """What the motion gate saw on the best frame."""

    algorithm: str
    changed_pct: float = Field(ge=0, le=100)
    blob_pct: float = Field(ge=0, le=100)
    boxes: list[RelativeBox] = Field(max_length=4)
    illumination: Literal["day", "dusk", "ir"]
    forced: bool
    audited: bool = Field(
        False, description="Learned noise would have held the frame back; classified as a check."
    )


class PackUse(Message):
    """Which pack and backend decided."""

    task: Name
    version: Name
    manifest_sha256: Sha256
    base: Name
    backend: Name
    precision: Name


class MediaRef(Message):
    """One media file of the detection; its bytes travel on their own topic."""

    n: int = Field(ge=0, le=99)
    kind: Literal["full", "crop", "thumb"]
    sha256: Sha256
    size_bytes: int = Field(ge=1)
    width: int = Field(ge=1)
    height: int = Field(ge=1)


class Place(Message):
    """Where: the coordinates of a deployment are the dashboard's, unless they may be told."""

    mode: Literal["exact", "generalised", "withheld"] = "withheld"
    latitude: float | None = Field(None, ge=-90, le=90)
    longitude: float | None = Field(None, ge=-180, le=180)
    precision_deg: float | None = None
    uncertainty_m: float | None = None


class Latency(Message):
    """Milliseconds that each step took for the frame that confirmed the visit."""

    gate: float = Field(ge=0)
    infer: float = Field(ge=0)
    decide: float = Field(ge=0)
    total: float = Field(ge=0, description="From capture to the outbox's commit.")


class Detection(Message):
    """One revision of one visit; `(detection_id, rev)` is the dedupe key, the highest `rev` wins.

    With a `failure`, class and probability are null: a failure is never reported as blank.
    """

    schema_: Literal["edgeclip.detection/1"] = Field(DETECTION_SCHEMA, alias="schema")
    detection_id: DetectionId
    rev: int = Field(ge=0)
    phase: Phase
    severity: Severity
    test: bool = False
    historical: bool = False
    device_id: Identifier
    project: Identifier
    deployment_id: Identifier
    camera_id: Identifier
    epoch: Epoch
    seq: int = Field(ge=1, description="Row number in the outbox of that epoch.")
    boot_id: Epoch
    time: Time
    class_name: Name | None
    observation_type: ObservationType
    scientific_name: str | None = None
    probability: Probability | None
    margin: float | None = Field(None, ge=-1, le=1)
    top: list[tuple[Name, Probability]] = Field(max_length=5)
    votes: Votes | None
    thresholds: AppliedThresholds | None
    failure: Name | None = None
    gate: Gate | None
    pack: PackUse
    media: list[MediaRef] = Field(max_length=16)
    features: ImageFeatures | None = Field(
        None, description="In the revisions that tell of a new best frame; never of a person."
    )
    heat: Heat | None = Field(
        None, description="In every revision that names a class, of its best frame so far."
    )
    attributes: Attributes | None = Field(
        None, description="Of animals: what else the frames say in words, never of a person."
    )
    box: RelativeBox | None = Field(
        None,
        description="Where on the whole frame the class is, by the heat of the best frame so far:"
        " x, y, width, height, relative. No decision depends on it, and it may come without heat.",
    )
    location: Place = Place()
    latency_ms: Latency
    end_reason: Literal["quiet", "shutdown", "restart", "camera_fault"] | None = None
    continued_from: DetectionId | None = None

    @model_validator(mode="after")
    def _a_failure_names_no_class(self) -> Detection:
        failed = self.failure is not None
        if failed and (self.class_name is not None or self.probability is not None):
            raise ValueError("a failure has neither class nor probability")
        if failed and self.observation_type == "blank":
            raise ValueError("a failure is never blank")
        return self

    def to_json(self) -> bytes:
        """Return the detection as compact UTF-8 JSON."""
        return self.model_dump_json(by_alias=True, exclude_none=False).encode()
