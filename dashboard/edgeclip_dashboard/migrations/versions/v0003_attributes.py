"""Version 3: what a detection says in words beside its class.

The way back is the copy that is made of a SQLite file before, or a backup of the server.
"""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

from edgeclip_dashboard.migrations.shown_payloads import shown_payloads

revision = "0003"
down_revision = "0002"

_DETECTIONS = sa.table(
    "detections", sa.column("detection_id", sa.String), sa.column("attributes", sa.Text)
)


def upgrade() -> None:
    """Add the column; fill it from what devices newer than the database have sent already."""
    op.add_column("detections", sa.Column("attributes", sa.Text()))
    connection = op.get_bind()
    change = (
        sa.update(_DETECTIONS)
        .where(_DETECTIONS.c.detection_id == sa.bindparam("id_"))
        .values(attributes=sa.bindparam("said"))
    )
    for rows in shown_payloads(connection, like='%"attributes":{%'):
        said = [{"id_": row.detection_id, "said": _said(row.payload)} for row in rows]
        connection.execute(change, said)


def _said(payload: str) -> str | None:
    told = json.loads(payload).get("attributes")
    return json.dumps(told) if told else None
