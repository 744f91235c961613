"""What detections are found by: columns, filled from the revisions that are stored, and indexes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

_AT_ONCE = 1000

_DETECTIONS = sa.table(
    "detections",
    sa.column("detection_id", sa.String),
    sa.column("rev", sa.BigInteger),
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
_REVISIONS = sa.table(
    "revisions",
    sa.column("detection_id", sa.String),
    sa.column("rev", sa.BigInteger),
    sa.column("payload", sa.Text),
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
    for rows in _newest_payloads(connection):
        values = [{"id_": row.detection_id} | _told(json.loads(row.payload)) for row in rows]
        connection.execute(change, values)


def _newest_payloads(connection: sa.Connection) -> Iterator[list[Any]]:
    """Yield id and payload of each detection's shown revision, in bounded portions."""
    last = ""
    shown = (_REVISIONS.c.detection_id == _DETECTIONS.c.detection_id) & (
        _REVISIONS.c.rev == _DETECTIONS.c.rev
    )
    query = (
        sa.select(_DETECTIONS.c.detection_id, _REVISIONS.c.payload)
        .join(_REVISIONS, shown)
        .order_by(_DETECTIONS.c.detection_id)
        .limit(_AT_ONCE)
    )
    while rows := list(connection.execute(query.where(_DETECTIONS.c.detection_id > last))):
        yield rows
        last = rows[-1].detection_id


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
