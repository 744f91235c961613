from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from sqlalchemy.orm import Session

from edgeclip.contract.detection import Detection
from edgeclip_dashboard.batch import Batch
from edgeclip_dashboard.models_notices import Notice
from edgeclip_dashboard.notices.noting import note_notices
from support.dashboards import sample
from support.rules import add_rule, notices, states

if TYPE_CHECKING:
    from dashboard.conftest import Desk

QUIET = {"quiet_from": "11:00", "quiet_to": "14:00"}  # the desk commits at noon


def _revision(first: Detection, rev: int, **changes: Any) -> Detection:
    return first.model_copy(update={"rev": rev, "seq": first.seq + rev} | changes)


def test_a_rule_tells_of_a_detection_once_whatever_revisions_come(desk: Desk) -> None:
    add_rule(desk.engine)
    first = sample()
    desk.commit(first, _revision(first, 1, phase="update"))
    desk.commit(_revision(first, 2, phase="end"))
    desk.commit(first)
    [notice] = notices(desk.engine)
    assert (notice.detection_id, notice.state) == (first.detection_id, "waiting")


def test_each_rule_that_matches_tells(desk: Desk) -> None:
    add_rule(desk.engine)
    add_rule(desk.engine, name="all of the ridge", deployment_ids=("ridge-2026",))
    add_rule(desk.engine, name="hyenas", class_names=("hyena",))
    add_rule(desk.engine, name="switched off", is_enabled=False)
    desk.commit(sample())
    assert [notice.rule_id for notice in notices(desk.engine)] == [1, 2]


def test_a_later_revision_that_matches_is_told_then(desk: Desk) -> None:
    add_rule(desk.engine, class_names=("hyena",))
    first = sample()
    desk.commit(first)
    assert notices(desk.engine) == []
    desk.commit(_revision(first, 1, class_name="hyena"))
    assert states(desk.engine) == ["waiting"]


def test_a_revision_that_comes_after_a_later_one_is_no_news(desk: Desk) -> None:
    add_rule(desk.engine, class_names=("hyena",))
    first = sample()
    desk.commit(_revision(first, 1))
    desk.commit(first.model_copy(update={"class_name": "hyena"}))
    assert notices(desk.engine) == []


def test_quiet_hours_hold_routine_notices_back_and_let_alerts_of_now_through(desk: Desk) -> None:
    add_rule(desk.engine, **QUIET)
    now = datetime(2026, 5, 1, 12, tzinfo=timezone.utc)
    seen = sample().time.model_copy(update={"best_at": now, "started_at": now})
    desk.commit(sample(time=seen), sample(time=seen, severity="routine", seq=2))
    alert, routine = notices(desk.engine)
    assert (alert.state, alert.is_urgent) == ("waiting", True)
    assert (routine.state, routine.is_urgent) == ("quiet", False)
    assert routine.next_try_at == datetime(2026, 5, 1, 14, tzinfo=timezone.utc)


def test_what_is_taken_back_before_it_was_told_is_not_told(desk: Desk) -> None:
    add_rule(desk.engine)
    first = sample()
    desk.commit(first)
    desk.commit(_revision(first, 1, phase="retract"))
    assert states(desk.engine) == ["withdrawn"]


def test_what_is_taken_back_after_it_was_told_is_told(desk: Desk) -> None:
    add_rule(desk.engine)
    first = sample()
    desk.commit(first)
    with Session(desk.engine) as session, session.begin():
        told = session.get_one(Notice, 1)
        told.state, told.sent_at, told.told = "sent", told.created_at, '["0123"]'
    desk.commit(_revision(first, 1, phase="retract"))
    desk.commit(_revision(first, 2, phase="retract"))
    [notice] = notices(desk.engine)
    assert (notice.state, notice.told) == ("retracting", "[]")


def test_a_notice_is_kept_or_lost_with_its_detection(desk: Desk) -> None:
    add_rule(desk.engine)
    first = sample()
    desk.commit(first)
    with Session(desk.engine) as session:
        session.delete(session.get_one(Notice, 1))
        session.flush()
        note_notices(Batch(session), first, first.time.started_at or datetime.now(timezone.utc))
        session.rollback()
    assert len(notices(desk.engine)) == 1
