"""Tables of what stands in the field: deployments, and what devices tell of themselves."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Float, Index, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from edgeclip_dashboard.models import Base, UtcDateTime


class Deployment(Base):
    """One camera, one place, one period; what only a person knows of it is filled in on its page.

    Coordinates are WGS 84 degrees; none are known until a person or a detection tells them.
    """

    __tablename__ = "deployments"

    deployment_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    latitude: Mapped[float | None] = mapped_column(Float)
    longitude: Mapped[float | None] = mapped_column(Float)
    uncertainty_m: Mapped[float | None] = mapped_column(Float)
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    time_zone: Mapped[str] = mapped_column(String(64))
    camera_model: Mapped[str] = mapped_column(String(100))
    setup_by: Mapped[str] = mapped_column(String(100))
    habitat: Mapped[str] = mapped_column(String(100))
    comments: Mapped[str] = mapped_column(Text)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)


class HealthSample(Base):
    """One health message; the figures that are plotted stand in columns of their own."""

    __tablename__ = "health_samples"
    __table_args__ = (
        Index("health_of_device", "device_id", "at"),
        Index("health_by_time", "at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    device_id: Mapped[str] = mapped_column(String(32))
    at: Mapped[datetime] = mapped_column(
        UtcDateTime
    )  # the device's clock where believed, else ours
    battery_v: Mapped[float | None] = mapped_column(Float)
    power_w: Mapped[float | None] = mapped_column(Float)
    temperature_c: Mapped[float | None] = mapped_column(Float)
    free_mb: Mapped[float | None] = mapped_column(Float)
    outbox_rows: Mapped[int | None] = mapped_column(BigInteger)
    fps: Mapped[float | None] = mapped_column(Float)
    infer_p95_ms: Mapped[float | None] = mapped_column(Float)
    feature_distance: Mapped[float | None] = mapped_column(Float)
    payload: Mapped[str] = mapped_column(Text)


class DeviceAlarm(Base):
    """An alarm of a device, one row for each time that it was raised."""

    __tablename__ = "alarms"
    __table_args__ = (Index("alarms_of_device", "device_id", "code", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    device_id: Mapped[str] = mapped_column(String(32))
    code: Mapped[str] = mapped_column(String(32))
    since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    detail: Mapped[str] = mapped_column(Text)
    received_at: Mapped[datetime] = mapped_column(UtcDateTime)
    over_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class LogEntry(Base):
    """An entry of a device's log book, known by its number."""

    __tablename__ = "log_entries"

    device_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    epoch: Mapped[str] = mapped_column(String(36), primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    kind: Mapped[str] = mapped_column(String(16))
    text: Mapped[str] = mapped_column(Text)
    received_at: Mapped[datetime] = mapped_column(UtcDateTime)


class ClockFixRow(Base):
    """How far the clock of a device's boot was off before it could be trusted."""

    __tablename__ = "clock_fixes"

    device_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    boot_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    at_boot_ns: Mapped[int] = mapped_column(BigInteger)
    true_at: Mapped[datetime] = mapped_column(UtcDateTime)
    offset_ms: Mapped[int | None] = mapped_column(BigInteger)
    source: Mapped[str] = mapped_column(String(8))
    error_ms: Mapped[int | None] = mapped_column(BigInteger)
    received_at: Mapped[datetime] = mapped_column(UtcDateTime)


class CommandRow(Base):
    """A command that was sent from here, and the newest reply to it."""

    __tablename__ = "commands"
    __table_args__ = (Index("newest_commands", "name", "device_id", "command_id", "state"),)

    command_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    device_id: Mapped[str] = mapped_column(String(32), index=True)
    name: Mapped[str] = mapped_column(String(64))
    args: Mapped[str] = mapped_column(Text)
    account_name: Mapped[str] = mapped_column(String(64))
    issued_at: Mapped[datetime] = mapped_column(UtcDateTime)
    not_after: Mapped[datetime] = mapped_column(UtcDateTime)
    dashboard_id: Mapped[str] = mapped_column(String(32))  # who goes on with it after a restart
    key_id: Mapped[str] = mapped_column(String(16))
    counter: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(String(16))  # sent, or what the reply says
    reason: Mapped[str] = mapped_column(Text)
    data: Mapped[str] = mapped_column(Text)
    replied_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class ImageFeatures(Base):
    """The image features of a detection's best view: float16, of length 1, little-endian.

    `number` only grows, also where newer features take the place of others: searches follow it.
    """

    __tablename__ = "image_features"
    __table_args__ = (Index("features_of_base", "base_sha256", "number"),)

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    detection_id: Mapped[str] = mapped_column(String(36), unique=True)
    rev: Mapped[int] = mapped_column(BigInteger)  # of the revision that brought them
    base_sha256: Mapped[str] = mapped_column(String(64))
    vector: Mapped[bytes] = mapped_column(LargeBinary)
