"""The dashboard's tables, for SQLite and PostgreSQL alike."""

from __future__ import annotations

from datetime import datetime, timezone

from sqlalchemy import BigInteger, DateTime, Dialect, Float, Index, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

SCHEMA_VERSION = 4


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC time, also in SQLite, which has no time zones."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Store UTC without its zone."""
        del dialect
        return None if value is None else value.astimezone(timezone.utc).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give the zone back."""
        del dialect
        return None if value is None else value.replace(tzinfo=timezone.utc)


class Base(DeclarativeBase):
    """Of all tables."""


class Meta(Base):
    """Facts of the database itself: `schema_version`, `project`, `malformed` (a count)."""

    __tablename__ = "edgeclip_meta"

    key: Mapped[str] = mapped_column(String(40), primary_key=True)
    value: Mapped[str] = mapped_column(String(200))


class DetectionRow(Base):
    """A detection as its highest revision describes it."""

    __tablename__ = "detections"
    __table_args__ = (
        Index("detections_newest", "first_received_at", "detection_id"),
        Index("detections_by_time", "occurred_at", "detection_id"),
        Index("detections_by_class", "class_name", "occurred_at"),
        Index("detections_by_place", "deployment_id", "occurred_at"),
        Index("detections_by_boot", "boot_id"),
    )

    detection_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    rev: Mapped[int] = mapped_column(BigInteger)
    device_id: Mapped[str] = mapped_column(String(32), index=True)
    epoch: Mapped[str] = mapped_column(String(36))
    deployment_id: Mapped[str] = mapped_column(String(32))
    camera_id: Mapped[str] = mapped_column(String(32))
    phase: Mapped[str] = mapped_column(String(16))
    severity: Mapped[str] = mapped_column(String(16))
    is_test: Mapped[bool]
    is_historical: Mapped[bool]
    class_name: Mapped[str | None] = mapped_column(String(64))
    scientific_name: Mapped[str | None] = mapped_column(Text)
    observation_type: Mapped[str] = mapped_column(String(16))
    probability: Mapped[float | None] = mapped_column(Float)
    threshold: Mapped[float | None] = mapped_column(Float)  # `on` of the class that is told
    failure: Mapped[str | None] = mapped_column(String(64))
    votes_frames: Mapped[int | None] = mapped_column(BigInteger)
    votes_agreeing: Mapped[int | None] = mapped_column(BigInteger)
    pack: Mapped[str] = mapped_column(Text)
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    best_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    # When it was seen best, else when it began, else when it arrived: never null, so that it sorts.
    occurred_at: Mapped[datetime] = mapped_column(UtcDateTime)
    light: Mapped[str | None] = mapped_column(String(8))  # day, dusk or ir
    latitude: Mapped[float | None] = mapped_column(Float)  # as the device may tell it
    longitude: Mapped[float | None] = mapped_column(Float)
    attributes: Mapped[str | None] = mapped_column(Text)  # what is said in words, JSON
    # The newest verdict of a person, from the table of verdicts; no revision changes these.
    verdict: Mapped[str | None] = mapped_column(String(8), index=True)
    verdict_class: Mapped[str | None] = mapped_column(String(64))
    # Of the boot's clock: trusted, untrusted, or put_right by a clockfix (see `clock_fixes`).
    boot_id: Mapped[str | None] = mapped_column(String(36))
    clock: Mapped[str | None] = mapped_column(String(12))
    first_received_at: Mapped[datetime] = mapped_column(UtcDateTime)
    received_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Revision(Base):
    """One revision of a detection, as it was received."""

    __tablename__ = "revisions"

    detection_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    rev: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    payload: Mapped[str] = mapped_column(Text)
    received_at: Mapped[datetime] = mapped_column(UtcDateTime)


class OutboxRow(Base):
    """A row of a device's outbox that was stored, or refused for the given reason."""

    __tablename__ = "outbox_rows"

    device_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    epoch: Mapped[str] = mapped_column(String(36), primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    refused: Mapped[str | None] = mapped_column(String(200))


class Announcement(Base):
    """A media file that a revision named; `rev` is the highest that did."""

    __tablename__ = "announcements"

    detection_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    n: Mapped[int] = mapped_column(primary_key=True)
    sha256: Mapped[str] = mapped_column(String(64), primary_key=True, index=True)
    rev: Mapped[int] = mapped_column(BigInteger)
    kind: Mapped[str] = mapped_column(String(8))
    width: Mapped[int] = mapped_column(BigInteger)
    height: Mapped[int] = mapped_column(BigInteger)


class Media(Base):
    """A media file on disk; it is pending while no announcement names its hash."""

    __tablename__ = "media"

    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    size_bytes: Mapped[int]
    device_id: Mapped[str] = mapped_column(String(32))
    received_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Device(Base):
    """What a device last said of itself."""

    __tablename__ = "devices"

    device_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    state: Mapped[str | None] = mapped_column(String(16))
    since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    bdseq: Mapped[int | None] = mapped_column(BigInteger)
    reason: Mapped[str | None] = mapped_column(Text)
    deployment_id: Mapped[str | None] = mapped_column(String(32))
    camera_id: Mapped[str | None] = mapped_column(String(32))
    edgeclip_version: Mapped[str | None] = mapped_column(String(64))
    pack: Mapped[str | None] = mapped_column(String(64))
    backend: Mapped[str | None] = mapped_column(String(64))
    precision: Mapped[str | None] = mapped_column(String(64))
    source: Mapped[str | None] = mapped_column(String(64))
    machine: Mapped[str | None] = mapped_column(String(64))
    last_detection_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    next_wake_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    is_armed: Mapped[bool | None]
    info: Mapped[str | None] = mapped_column(Text)  # the whole birth certificate, JSON
    health: Mapped[str | None] = mapped_column(Text)  # the newest, JSON
    health_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # when it came
    battery_v: Mapped[float | None] = mapped_column(Float)


class Malformed(Base):
    """A message that could not be stored, kept raw; only the newest are kept."""

    __tablename__ = "malformed"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    topic: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(String(200))
    payload: Mapped[bytes]
    received_at: Mapped[datetime] = mapped_column(UtcDateTime)
