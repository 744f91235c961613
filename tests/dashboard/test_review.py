from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy.orm import Session

from dashboard.conftest import NOW
from edgeclip.contract.detection import AppliedThresholds, Detection
from edgeclip_dashboard.detection_history import Position, read_history
from edgeclip_dashboard.filters import DetectionFilter
from edgeclip_dashboard.models_field import Deployment
from edgeclip_dashboard.review import count_to_review, read_review_ids
from edgeclip_dashboard.review_queue import ReviewQueue
from edgeclip_dashboard.verdicts import Said
from support.dashboards import fresh_id, sample

if TYPE_CHECKING:
    from dashboard.conftest import Desk

THRESHOLDS = AppliedThresholds(on=0.6, off=0.4, peak=0.7)
EVERY = DetectionFilter()


def _told(seq: int, probability: float, severity: str = "routine", **changes: Any) -> Detection:
    at = datetime(2026, 5, 1, seq, tzinfo=NOW.tzinfo)
    told = sample(
        seq=seq, probability=probability, severity=severity, thresholds=THRESHOLDS, **changes
    )
    return told.model_copy(update={"time": told.time.model_copy(update={"best_at": at})})


def _order(
    desk: Desk, *told: Detection, shown: DetectionFilter = EVERY, most: int = 9
) -> list[int]:
    """Return the row numbers of what is to be reviewed, in its order."""
    desk.commit(*told)
    numbers = {one.detection_id: one.seq for one in told}
    with Session(desk.engine) as session:
        return [numbers[one] for one in read_review_ids(session, shown, most)]


def test_the_doubtful_come_first_then_alerts_then_the_newest(desk: Desk) -> None:
    told = [
        _told(1, 0.95), _told(2, 0.52), _told(3, 0.99, "alert"), _told(4, 0.63),
        _told(5, 0.9, "alert"), _told(6, 0.2),
    ]  # fmt: skip
    assert _order(desk, *told) == [4, 2, 5, 3, 6, 1]


def test_only_what_the_filter_lets_through_is_to_be_reviewed(desk: Desk) -> None:
    told = [_told(1, 0.9, class_name="civet"), _told(2, 0.9), _told(3, 0.91)]
    leopards = DetectionFilter(class_names=("leopard",), reviewed="no")
    assert _order(desk, *told, shown=leopards, most=1) == [3]
    with Session(desk.engine) as session:
        assert count_to_review(session, leopards) == 2


def test_failures_and_what_was_taken_back_are_not_reviewed(desk: Desk) -> None:
    failed = {"class_name": None, "probability": None, "failure": "engine_failed", "votes": None}
    told = [sample(seq=1, **failed), _told(2, 0.9, phase="retract"), _told(3, 0.9)]
    assert _order(desk, *told) == [3]


def test_one_goes_forth_and_back_as_far_as_the_ends() -> None:
    queue = ReviewQueue("ab")
    queue.back()
    assert (queue.current, queue.following) == ("a", "b")
    for _ in range(3):
        queue.next()
    assert (queue.current, queue.following) == (None, None)
    queue.back()
    assert queue.current == "b"


def test_what_is_skipped_comes_again_at_the_end() -> None:
    queue = ReviewQueue("abc")
    queue.skip()
    assert (queue.current, queue.progress(3)) == ("b", "1 of 3")
    queue.next()
    queue.next()
    assert queue.current == "a"


def test_a_verdict_goes_on_and_stands_when_one_comes_back() -> None:
    queue = ReviewQueue("abc")
    queue.judged("a", Said("right"))
    queue.judged("x", Said("wrong"))
    assert queue.current == "b"
    queue.drop()
    assert (queue.current, queue.progress(9)) == ("c", "2 of 2, 9 wait · 2 judged")
    queue.back()
    assert queue.given["a"] == Said("right")


def test_past_the_last_there_is_nothing_to_skip_or_drop() -> None:
    queue = ReviewQueue("")
    queue.skip()
    queue.drop()
    assert (queue.current, queue.progress(0)) == (None, "nothing here")


def test_a_history_holds_all_revisions_the_newest_first(desk: Desk) -> None:
    told = _told(1, 0.9)
    desk.commit(told)
    desk.commit(told.model_copy(update={"rev": 1, "seq": 2, "phase": "end", "probability": 0.95}))
    history = read_history(desk.engine, told.detection_id)
    assert history is not None
    told_of = [(one.rev, one.detection and one.detection.probability) for one in history.revisions]
    assert told_of == [(1, 0.95), (0, 0.9)]
    assert history.revisions[0].received_at - history.revisions[1].received_at == timedelta(
        minutes=1
    )
    assert read_history(desk.engine, fresh_id()) is None


def _note_place(desk: Desk, deployment_id: str, latitude: float | None) -> None:
    with Session(desk.engine) as session, session.begin():
        place = session.get(Deployment, deployment_id) or Deployment(
            deployment_id=deployment_id, name="", time_zone="", camera_model="", setup_by="",
            habitat="", comments="", updated_at=NOW,
        )  # fmt: skip
        place.latitude = place.longitude = latitude
        session.add(place)


def test_where_it_was_is_told_by_its_deployment(desk: Desk) -> None:
    told = _told(1, 0.9, deployment_id="ridge")
    desk.commit(told)
    _note_place(desk, "ridge", None)
    unknown = read_history(desk.engine, told.detection_id)
    assert unknown is not None
    assert unknown.position is None
    _note_place(desk, "ridge", 2.0)
    _note_place(desk, "gorge", 3.0)
    known = read_history(desk.engine, told.detection_id)
    assert known is not None
    assert known.position == Position(2.0, 2.0, "as its deployment is noted")
    assert known.others == ((3.0, 3.0),)
