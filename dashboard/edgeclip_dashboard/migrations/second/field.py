"""Deployments, and what devices tell of themselves."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op


def upgrade() -> None:
    """Make the tables, and let devices tell more of themselves."""
    _devices()
    _health()
    _commands()


def _devices() -> None:
    for column in (
        sa.Column("next_wake_at", sa.DateTime()),
        sa.Column("is_armed", sa.Boolean()),
        sa.Column("info", sa.Text()),
        sa.Column("health", sa.Text()),
        sa.Column("health_at", sa.DateTime()),
        sa.Column("battery_v", sa.Float()),
    ):
        op.add_column("devices", column)


def _health() -> None:
    op.create_table(
        "deployments",
        sa.Column("deployment_id", sa.String(32), primary_key=True),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("latitude", sa.Float()),
        sa.Column("longitude", sa.Float()),
        sa.Column("uncertainty_m", sa.Float()),
        sa.Column("started_at", sa.DateTime()),
        sa.Column("ended_at", sa.DateTime()),
        sa.Column("time_zone", sa.String(64), nullable=False),
        sa.Column("camera_model", sa.String(100), nullable=False),
        sa.Column("setup_by", sa.String(100), nullable=False),
        sa.Column("habitat", sa.String(100), nullable=False),
        sa.Column("comments", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.DateTime(), nullable=False),
    )
    op.create_table(
        "health_samples",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=True),
        sa.Column("device_id", sa.String(32), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("battery_v", sa.Float()),
        sa.Column("power_w", sa.Float()),
        sa.Column("temperature_c", sa.Float()),
        sa.Column("free_mb", sa.Float()),
        sa.Column("outbox_rows", sa.BigInteger()),
        sa.Column("fps", sa.Float()),
        sa.Column("infer_p95_ms", sa.Float()),
        sa.Column("feature_distance", sa.Float()),
        sa.Column("payload", sa.Text(), nullable=False),
    )
    op.create_index("health_by_time", "health_samples", ["at"])
    op.create_index("health_of_device", "health_samples", ["device_id", "at"])
    op.create_table(
        "alarms",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=True),
        sa.Column("device_id", sa.String(32), nullable=False),
        sa.Column("code", sa.String(32), nullable=False),
        sa.Column("since", sa.DateTime()),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("received_at", sa.DateTime(), nullable=False),
        sa.Column("over_at", sa.DateTime()),
    )
    op.create_index("alarms_of_device", "alarms", ["device_id", "code", "id"])
    op.create_table(
        "log_entries",
        sa.Column("device_id", sa.String(32), primary_key=True),
        sa.Column("epoch", sa.String(36), primary_key=True),
        sa.Column("number", sa.BigInteger(), primary_key=True),
        sa.Column("at", sa.DateTime()),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("received_at", sa.DateTime(), nullable=False),
    )


def _commands() -> None:
    op.create_table(
        "clock_fixes",
        sa.Column("device_id", sa.String(32), primary_key=True),
        sa.Column("boot_id", sa.String(36), primary_key=True),
        sa.Column("at_boot_ns", sa.BigInteger(), nullable=False),
        sa.Column("true_at", sa.DateTime(), nullable=False),
        sa.Column("offset_ms", sa.BigInteger()),
        sa.Column("source", sa.String(8), nullable=False),
        sa.Column("error_ms", sa.BigInteger()),
        sa.Column("received_at", sa.DateTime(), nullable=False),
    )
    op.create_table(
        "commands",
        sa.Column("command_id", sa.String(36), primary_key=True),
        sa.Column("device_id", sa.String(32), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("args", sa.Text(), nullable=False),
        sa.Column("account_name", sa.String(64), nullable=False),
        sa.Column("issued_at", sa.DateTime(), nullable=False),
        sa.Column("not_after", sa.DateTime(), nullable=False),
        sa.Column("dashboard_id", sa.String(32), nullable=False),
        sa.Column("key_id", sa.String(16), nullable=False),
        sa.Column("counter", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("replied_at", sa.DateTime()),
    )
    op.create_index("ix_commands_device_id", "commands", ["device_id"])
    op.create_table(
        "image_features",
        sa.Column("number", sa.Integer(), primary_key=True, autoincrement=True),
        sa.Column("detection_id", sa.String(36), nullable=False, unique=True),
        sa.Column("rev", sa.BigInteger(), nullable=False),
        sa.Column("base_sha256", sa.String(64), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
    )
    op.create_index("features_of_base", "image_features", ["base_sha256", "number"])
