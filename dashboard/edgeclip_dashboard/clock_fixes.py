"""Times of a boot whose clock was wrong, put right once the device knows how far it was off.

The originals stay in the revisions; only `detections.occurred_at`, by which pages and exports sort,
is corrected.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Final, Literal

from sqlalchemy import select

from edgeclip.contract.detection import Detection
from edgeclip_dashboard.batch import Batch
from edgeclip_dashboard.messages_field import ClockFixMessage
from edgeclip_dashboard.models import DetectionRow, Revision
from edgeclip_dashboard.models_field import ClockFixRow

ClockState = Literal["trusted", "untrusted", "put_right"]
_ERAS: Final = (
    datetime(1970, 1, 1, tzinfo=timezone.utc),
    datetime(9999, 1, 1, tzinfo=timezone.utc),
)


def note_clock_fix(batch: Batch, message: ClockFixMessage, at: datetime) -> None:
    """Store a boot's fix, and put right when its detections occurred.

    Args:
        batch: An open transaction.
        message: Device and fix.
        at: Now, aware UTC.
    """
    fix = message.fix
    key = (message.device_id, fix.boot_id)
    if batch.find(ClockFixRow, *key) is not None:
        return
    names = ("boot_id", "at_boot_ns", "true_at", "offset_ms", "source", "error_ms")
    row = ClockFixRow(
        device_id=message.device_id, received_at=at, **{name: getattr(fix, name) for name in names}
    )
    batch.add(row, *key)
    batch.session.flush()
    query = (
        select(DetectionRow, Revision.payload)
        .join(Revision, Revision.detection_id == DetectionRow.detection_id)
        .where(Revision.rev == DetectionRow.rev)
        .where(DetectionRow.boot_id == fix.boot_id, DetectionRow.device_id == message.device_id)
        .where(DetectionRow.clock == "untrusted")
    )
    for detection, payload in batch.session.execute(query).all():
        boot_ns = Detection.model_validate_json(payload).time.boot_ns
        true = _true_time(row, boot_ns)
        if true is not None:
            detection.occurred_at, detection.clock = true, "put_right"


def clock_of(batch: Batch, detection: Detection) -> tuple[ClockState, datetime | None]:
    """Return how far a detection's times are to be believed, and when it really occurred.

    Args:
        batch: An open transaction.
        detection: As it came.

    Returns:
        The time is None where only the detection's own are known.
    """
    if detection.time.clock.trusted:
        return "trusted", None
    fix = batch.find(ClockFixRow, detection.device_id, detection.boot_id)
    true = None if fix is None else _true_time(fix, detection.time.boot_ns)
    return ("untrusted", None) if true is None else ("put_right", true)


def known_time(row: DetectionRow) -> datetime:
    """Return when a detection occurred, as far as that is known.

    What comes by an untrusted clock, and not late, is of when it arrived: such a clock may show a
    day of last winter.
    """
    is_by_arrival = row.clock == "untrusted" and not row.is_historical
    return row.first_received_at if is_by_arrival else row.occurred_at


def _true_time(fix: ClockFixRow, boot_ns: int) -> datetime | None:
    """Return the wall time of a moment of a boot; None where no clock could show it."""
    try:
        true = fix.true_at + timedelta(microseconds=(boot_ns - fix.at_boot_ns) // 1000)
    except OverflowError:
        return None
    return true if _ERAS[0] <= true < _ERAS[1] else None
