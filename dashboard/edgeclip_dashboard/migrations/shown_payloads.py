"""What a migration fills columns from: of each detection the revision that is shown, as it came."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

AT_ONCE = 1000

_DETECTIONS = sa.table(
    "detections", sa.column("detection_id", sa.String), sa.column("rev", sa.BigInteger)
)
_REVISIONS = sa.table(
    "revisions",
    sa.column("detection_id", sa.String),
    sa.column("rev", sa.BigInteger),
    sa.column("payload", sa.Text),
)


def shown_payloads(connection: sa.Connection, *, like: str = "%") -> Iterator[list[Any]]:
    """Yield id and payload of each detection's shown revision, in bounded portions.

    Args:
        connection: Of the migration.
        like: What the payload has to be like, for SQL.
    """
    last = ""
    shown = (_REVISIONS.c.detection_id == _DETECTIONS.c.detection_id) & (
        _REVISIONS.c.rev == _DETECTIONS.c.rev
    )
    query = (
        sa.select(_DETECTIONS.c.detection_id, _REVISIONS.c.payload)
        .join(_REVISIONS, shown)
        .where(_REVISIONS.c.payload.like(like))
        .order_by(_DETECTIONS.c.detection_id)
        .limit(AT_ONCE)
    )
    while rows := list(connection.execute(query.where(_DETECTIONS.c.detection_id > last))):
        yield rows
        last = rows[-1].detection_id
