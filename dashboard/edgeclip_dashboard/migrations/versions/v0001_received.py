"""Version 1: what is received from devices."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make all tables of version 1."""
    _meta()
    _detections()
    _arrivals()
    _media()
    _devices()


def _meta() -> None:
    op.create_table(
        "edgeclip_meta",
        sa.Column("key", sa.String(40), primary_key=True),
        sa.Column("value", sa.String(200), nullable=False),
    )


def _detections() -> None:
    op.create_table(
        "detections",
        sa.Column("detection_id", sa.String(36), primary_key=True),
        sa.Column("rev", sa.BigInteger(), nullable=False),
        sa.Column("device_id", sa.String(32), nullable=False),
        sa.Column("epoch", sa.String(36), nullable=False),
        sa.Column("deployment_id", sa.String(32), nullable=False),
        sa.Column("camera_id", sa.String(32), nullable=False),
        sa.Column("phase", sa.String(16), nullable=False),
        sa.Column("severity", sa.String(16), nullable=False),
        sa.Column("is_test", sa.Boolean(), nullable=False),
        sa.Column("is_historical", sa.Boolean(), nullable=False),
        sa.Column("class_name", sa.String(64)),
        sa.Column("scientific_name", sa.Text()),
        sa.Column("observation_type", sa.String(16), nullable=False),
        sa.Column("probability", sa.Float()),
        sa.Column("failure", sa.String(64)),
        sa.Column("votes_frames", sa.BigInteger()),
        sa.Column("votes_agreeing", sa.BigInteger()),
        sa.Column("pack", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime()),
        sa.Column("best_at", sa.DateTime()),
        sa.Column("ended_at", sa.DateTime()),
        sa.Column("first_received_at", sa.DateTime(), nullable=False),
        sa.Column("received_at", sa.DateTime(), nullable=False),
    )
    op.create_index("detections_newest", "detections", ["first_received_at", "detection_id"])
    op.create_index("ix_detections_device_id", "detections", ["device_id"])


def _arrivals() -> None:
    op.create_table(
        "revisions",
        sa.Column("detection_id", sa.String(36), primary_key=True),
        sa.Column("rev", sa.BigInteger(), primary_key=True),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("received_at", sa.DateTime(), nullable=False),
    )
    op.create_table(
        "outbox_rows",
        sa.Column("device_id", sa.String(32), primary_key=True),
        sa.Column("epoch", sa.String(36), primary_key=True),
        sa.Column("seq", sa.BigInteger(), primary_key=True),
        sa.Column("refused", sa.String(200)),
    )


def _media() -> None:
    op.create_table(
        "announcements",
        sa.Column("detection_id", sa.String(36), primary_key=True),
        sa.Column("n", sa.Integer(), primary_key=True),
        sa.Column("sha256", sa.String(64), primary_key=True),
        sa.Column("rev", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("width", sa.BigInteger(), nullable=False),
        sa.Column("height", sa.BigInteger(), nullable=False),
    )
    op.create_index("ix_announcements_sha256", "announcements", ["sha256"])
    op.create_table(
        "media",
        sa.Column("sha256", sa.String(64), primary_key=True),
        sa.Column("size_bytes", sa.Integer(), nullable=False),
        sa.Column("device_id", sa.String(32), nullable=False),
        sa.Column("received_at", sa.DateTime(), nullable=False),
    )


def _devices() -> None:
    op.create_table(
        "devices",
        sa.Column("device_id", sa.String(32), primary_key=True),
        sa.Column("state", sa.String(16)),
        sa.Column("since", sa.DateTime()),
        sa.Column("bdseq", sa.BigInteger()),
        sa.Column("reason", sa.Text()),
        sa.Column("deployment_id", sa.String(32)),
        sa.Column("camera_id", sa.String(32)),
        sa.Column("edgeclip_version", sa.String(64)),
        sa.Column("pack", sa.String(64)),
        sa.Column("backend", sa.String(64)),
        sa.Column("precision", sa.String(64)),
        sa.Column("source", sa.String(64)),
        sa.Column("machine", sa.String(64)),
        sa.Column("last_detection_at", sa.DateTime()),
    )
    op.create_table(
        "malformed",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=True),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("reason", sa.String(200), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("received_at", sa.DateTime(), nullable=False),
    )
