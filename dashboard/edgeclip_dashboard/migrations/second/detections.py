"""What detections are found by: columns, filled from the revisions that are stored, and indexes."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

from edgeclip_dashboard.migrations.shown_payloads import shown_payloads

_DETECTIONS = sa.table(
    "detections",
    sa.column("detection_id", sa.String),
    sa.column("best_at", sa.DateTime),
    sa.column("started_at", sa.DateTime),
    sa.column("first_received_at", sa.DateTime),
    sa.column("occurred_at", sa.DateTime),
    sa.column("threshold", sa.Float),
    sa.column("light", sa.String),
    sa.column("latitude", sa.Float),
    sa.column("longitude", sa.Float),
    sa.column("boot_id", sa.String),
    sa.column("clock", sa.String),
)


def upgrade() -> None:
    """Add the columns, fill them, then index them."""
    for column in (
        sa.Column("threshold", sa.Float()),
        sa.Column("occurred_at", sa.DateTime()),
        sa.Column("light", sa.String(8)),
        sa.Column("latitude", sa.Float()),
        sa.Column("longitude", sa.Float()),
        sa.Column("verdict", sa.String(8)),
        sa.Column("verdict_class", sa.String(64)),
        sa.Column("boot_id", sa.String(36)),
        sa.Column("clock", sa.String(12)),
    ):
        op.add_column("detections", column)
    _fill()
    with op.batch_alter_table("detections") as detections:
        detections.alter_column("occurred_at", existing_type=sa.DateTime(), nullable=False)
    op.create_index("detections_by_time", "detections", ["occurred_at", "detection_id"])
    op.create_index("detections_by_class", "detections", ["class_name", "occurred_at"])
    op.create_index("detections_by_place", "detections", ["deployment_id", "occurred_at"])
    op.create_index("detections_by_boot", "detections", ["boot_id"])
    op.create_index("ix_detections_verdict", "detections", ["verdict"])


def _fill() -> None:
    table, connection = _DETECTIONS.c, op.get_bind()
    occurred_at = sa.func.coalesce(table.best_at, table.started_at, table.first_received_at)
    connection.execute(sa.update(_DETECTIONS).values(occurred_at=occurred_at))
    change = (
        sa.update(_DETECTIONS)
        .where(table.detection_id == sa.bindparam("id_"))
        .values({name: sa.bindparam(name) for name in _told({})})
    )
    for rows in shown_payloads(connection):
        values = [{"id_": row.detection_id} | _told(json.loads(row.payload)) for row in rows]
        connection.execute(change, values)


def _told(payload: dict[str, Any]) -> dict[str, Any]:
    """Return what a detection tells of itself; null where it does not."""
    location = payload.get("location") or {}
    clock = (payload.get("time") or {}).get("clock") or {}
    return {
        "threshold": (payload.get("thresholds") or {}).get("on"),
        "light": (payload.get("gate") or {}).get("illumination"),
        "latitude": location.get("latitude"),
        "longitude": location.get("longitude"),
        "boot_id": payload.get("boot_id"),
        "clock": "trusted" if clock.get("trusted") else "untrusted",
    }
