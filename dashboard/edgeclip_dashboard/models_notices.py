"""Tables of what is told to people and other systems: rules, notices, webhooks, deliveries."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Float, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from edgeclip_dashboard.models import Base, UtcDateTime


class Rule(Base):
    """Who is told of what: empty lists and nulls match everything.

    Lists and channels are JSON. Channels hold tokens: no page, log or API gives them out whole.
    """

    __tablename__ = "rules"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    is_enabled: Mapped[bool]
    class_names: Mapped[str] = mapped_column(Text)
    deployment_ids: Mapped[str] = mapped_column(Text)
    severities: Mapped[str] = mapped_column(Text)
    min_probability: Mapped[float | None] = mapped_column(Float)
    from_hour: Mapped[str | None] = mapped_column(String(5))  # "HH:MM" in `time_zone`
    to_hour: Mapped[str | None] = mapped_column(String(5))
    quiet_from: Mapped[str | None] = mapped_column(String(5))
    quiet_to: Mapped[str | None] = mapped_column(String(5))
    time_zone: Mapped[str] = mapped_column(String(64))
    channels: Mapped[str] = mapped_column(Text)
    escalate_after_s: Mapped[int | None]
    escalate_channels: Mapped[str] = mapped_column(Text)
    created_by: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Notice(Base):
    """What a rule has to tell of a detection: written first, sent then, tried again until sent."""

    __tablename__ = "notices"
    __table_args__ = (
        Index("notices_once", "rule_id", "detection_id", unique=True),
        Index("notices_due", "state", "next_try_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    rule_id: Mapped[int]
    detection_id: Mapped[str] = mapped_column(String(36), index=True)
    state: Mapped[str] = mapped_column(String(16))  # one of `notices.states`
    is_urgent: Mapped[bool]  # an alert of now: quiet hours let it through, and it is escalated
    tries: Mapped[int]
    told: Mapped[str] = mapped_column(Text)  # fingerprints of channels that took it, JSON
    error: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    next_try_at: Mapped[datetime] = mapped_column(UtcDateTime)
    sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    escalated_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    acknowledged_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    acknowledged_by: Mapped[str | None] = mapped_column(String(64))


class Webhook(Base):
    """Another system that is told; `format` is edgeclip, earthranger or gundi.

    `secret` signs in the format edgeclip, and is the token or key of the others: no page, log or
    API gives it out. Deliveries go in order, so that the next try is one of the whole webhook.
    """

    __tablename__ = "webhooks"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    url: Mapped[str] = mapped_column(Text)
    secret: Mapped[str] = mapped_column(Text)
    format: Mapped[str] = mapped_column(String(16))
    event_type: Mapped[str] = mapped_column(String(100))  # of the formats with events
    is_enabled: Mapped[bool]
    tries: Mapped[int]
    failing_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    next_try_at: Mapped[datetime] = mapped_column(UtcDateTime)
    error: Mapped[str] = mapped_column(Text)  # why it fails, or was switched off
    created_by: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Delivery(Base):
    """A revision on its way to a webhook."""

    __tablename__ = "deliveries"
    __table_args__ = (
        Index("deliveries_once", "webhook_id", "detection_id", "rev", unique=True),
        Index("deliveries_due", "webhook_id", "state", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    webhook_id: Mapped[int]
    detection_id: Mapped[str] = mapped_column(String(36))
    rev: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(String(16))  # waiting, sent, failed
    error: Mapped[str] = mapped_column(Text)
    remote_id: Mapped[str | None] = mapped_column(String(64))  # the other system's own name for it
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
