"""What a new revision gives rules to tell, inside the transaction that stores it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select

from edgeclip.contract.detection import Detection
from edgeclip_dashboard.batch import Batch
from edgeclip_dashboard.models import DetectionRow
from edgeclip_dashboard.models_notices import Notice, Rule
from edgeclip_dashboard.notices.hours import next_time
from edgeclip_dashboard.notices.rules import RuleForm, is_urgent, rule_from_row
from edgeclip_dashboard.notices.states import QUIET, RETRACTING, TAKEN_BACK, WAITING, WITHDRAWN

Rules = tuple[tuple[int, RuleForm], ...]


def note_notices(batch: Batch, detection: Detection, at: datetime) -> None:
    """Note what is to be told of a new revision; a rule tells of a detection once.

    Args:
        batch: An open transaction, in which the revision was stored.
        detection: A revision that was not stored before.
        at: Now, aware UTC.
    """
    row = batch.find(DetectionRow, detection.detection_id)
    if row is None or row.rev != detection.rev:
        return  # it came late: a later revision has been looked at already
    if row.phase == "retract":
        _take_back(batch, row.detection_id, at)
        return
    for rule_id, rule in batch.once("rules", _enabled_rules):
        if rule.matches(row):
            _note(batch, rule_id, rule, row, at)


def _enabled_rules(batch: Batch) -> Rules:
    rows = batch.session.scalars(select(Rule).where(Rule.is_enabled).order_by(Rule.id))
    return tuple((row.id, rule_from_row(row)) for row in rows)


def _note(batch: Batch, rule_id: int, rule: RuleForm, row: DetectionRow, at: datetime) -> None:
    urgent = is_urgent(row, at)
    waits = not urgent and rule.is_quiet(at) and rule.quiet_to is not None
    values = {
        "rule_id": rule_id,
        "detection_id": row.detection_id,
        "state": QUIET if waits else WAITING,
        "is_urgent": urgent,
        "tries": 0,
        "told": "[]",
        "error": "",
        "created_at": at,
        "next_try_at": next_time(at, rule.quiet_to or "", rule.time_zone) if waits else at,
    }
    batch.insert_later(Notice, values)


def _take_back(batch: Batch, detection_id: str, at: datetime) -> None:
    batch.session.flush()
    batch.write_later()  # it may take back what the same batch told of
    for notice in batch.session.scalars(select(Notice).where(Notice.detection_id == detection_id)):
        if notice.sent_at is None:
            notice.state = WITHDRAWN
        elif notice.state not in (RETRACTING, TAKEN_BACK):
            take_back(notice, at)


def take_back(notice: Notice, at: datetime) -> None:
    """Have everybody who was told of a notice told that it was taken back."""
    notice.state, notice.next_try_at = RETRACTING, at
    notice.tries, notice.told = 0, "[]"
