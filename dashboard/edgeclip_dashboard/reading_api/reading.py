"""What `/api/v1` reads from the store; each function with a session of the caller's."""

from __future__ import annotations

import base64
import binascii
import json
from datetime import datetime
from typing import Final

from fastapi import HTTPException
from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from edgeclip_dashboard.filters import DetectionFilter
from edgeclip_dashboard.models import DetectionRow, Revision
from edgeclip_dashboard.models_people import Verdict
from edgeclip_dashboard.queries import detection_views
from edgeclip_dashboard.reading_api.answers import (
    DetectionAnswer,
    DetectionPage,
    VerdictAnswer,
    VerdictPage,
    WholeDetection,
)

_SEPARATOR: Final = "|"


def read_page(
    session: Session, asked: DetectionFilter, limit: int, cursor: str | None
) -> DetectionPage:
    """Return detections by when they first came, the newest first.

    Args:
        session: To read with.
        asked: Which ones.
        limit: At most this many.
        cursor: `next` of the page before; None begins with the newest.

    Raises:
        HTTPException: 422: no cursor of ours.
    """
    row = DetectionRow
    place = tuple_(row.first_received_at, row.detection_id)
    query = select(row).where(*asked.conditions())
    if cursor is not None:
        query = query.where(place < tuple_(*_place_of(cursor)))
    newest_first = query.order_by(row.first_received_at.desc(), row.detection_id.desc())
    rows = session.scalars(newest_first.limit(limit + 1)).all()
    items = tuple(_answers(session, list(rows[:limit])))
    return DetectionPage(items=items, next=_cursor_of(rows[limit - 1]) if rows[limit:] else None)


def read_whole(session: Session, detection_id: str) -> WholeDetection | None:
    """Return a detection with all revisions and verdicts, or None."""
    row = session.get(DetectionRow, detection_id)
    if row is None:
        return None
    [answer] = _answers(session, [row])
    verdicts = session.scalars(
        select(Verdict).where(Verdict.detection_id == detection_id).order_by(Verdict.id.desc())
    )
    payloads = session.scalars(
        select(Revision.payload)
        .where(Revision.detection_id == detection_id)
        .order_by(Revision.rev.desc())
    )
    return WholeDetection(
        **{name: getattr(answer, name) for name in DetectionAnswer.model_fields},
        verdicts=tuple(VerdictAnswer.model_validate(one) for one in verdicts),
        revisions=tuple(json.loads(payload) for payload in payloads),
    )


def read_verdicts(session: Session, limit: int, after: int) -> VerdictPage:
    """Return verdicts in the order in which they were given, from the one after a number on."""
    query = select(Verdict).where(Verdict.id > after).order_by(Verdict.id).limit(limit + 1)
    rows = session.scalars(query).all()
    items = tuple(VerdictAnswer.model_validate(one) for one in rows[:limit])
    return VerdictPage(items=items, next=items[-1].id if rows[limit:] else None)


def _answers(session: Session, rows: list[DetectionRow]) -> list[DetectionAnswer]:
    """Return detections with their media; what the view leaves out comes from the row."""
    as_shown = ("media", "attributes")
    as_stored = [name for name in DetectionAnswer.model_fields if name not in as_shown]
    return [
        DetectionAnswer.model_validate(
            {name: getattr(row, name) for name in as_stored}
            | {name: getattr(view, name) for name in as_shown}
        )
        for row, view in zip(rows, detection_views(session, rows), strict=True)
    ]


def _cursor_of(row: DetectionRow) -> str:
    text = f"{row.first_received_at.isoformat()}{_SEPARATOR}{row.detection_id}"
    return base64.urlsafe_b64encode(text.encode()).decode()


def _place_of(cursor: str) -> tuple[datetime, str]:
    try:
        text = base64.urlsafe_b64decode(cursor.encode()).decode()
        at, detection_id = text.split(_SEPARATOR)
        found = datetime.fromisoformat(at)
    except (binascii.Error, ValueError) as error:
        raise HTTPException(422, "cursor: take `next` of the page before") from error
    if found.tzinfo is None or "\0" in detection_id:
        raise HTTPException(422, "cursor: take `next` of the page before")
    return found, detection_id
