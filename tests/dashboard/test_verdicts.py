from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from dashboard.conftest import NOW
from edgeclip.errors import DashboardError
from edgeclip_dashboard.exports.judging import Classes, judge
from edgeclip_dashboard.filters import DetectionFilter
from edgeclip_dashboard.identity import Identity
from edgeclip_dashboard.models import DetectionRow
from edgeclip_dashboard.models_people import Verdict
from edgeclip_dashboard.verdicts import (
    GivenVerdict,
    OutdatedError,
    Said,
    class_from,
    give_verdict,
    read_verdicts,
)
from support.dashboards import fresh_id, sample

if TYPE_CHECKING:
    from dashboard.conftest import Desk

ANNA = Identity("anna", "reviewer")


def _give(
    desk: Desk,
    detection_id: str,
    said: Said,
    who: Identity = ANNA,
    *,
    seen_rev: int | None = None,
) -> None:
    with Session(desk.engine) as session, session.begin():
        give_verdict(session, who, detection_id, said, NOW, seen_rev=seen_rev)


def _history(desk: Desk, detection_id: str) -> list[GivenVerdict]:
    with Session(desk.engine) as session:
        return list(read_verdicts(session, detection_id))


def test_the_newest_verdict_counts_and_the_others_stay(desk: Desk) -> None:
    desk.commit(told := sample())
    _give(desk, told.detection_id, Said("wrong", note=" a branch\0 "))
    _give(desk, told.detection_id, Said("other", "civet"), Identity("ben", "admin"))
    assert (desk.only().verdict, desk.only().verdict_class) == ("other", "civet")
    assert _history(desk, told.detection_id) == [
        GivenVerdict(0, "other", "civet", "", "ben", NOW),
        GivenVerdict(0, "wrong", None, "a branch", "anna", NOW),
    ]


def test_right_after_other_names_no_other_species_any_more(desk: Desk) -> None:
    desk.commit(told := sample())
    _give(desk, told.detection_id, Said("other", "civet"))
    _give(desk, told.detection_id, Said("right"))
    assert (desk.only().verdict, desk.only().verdict_class) == ("right", "leopard")


def test_right_stays_the_word_for_what_was_seen_whatever_the_device_says_later(
    desk: Desk,
) -> None:
    desk.commit(told := sample())
    _give(desk, told.detection_id, Said("right"))
    desk.commit(told.model_copy(update={"rev": 1, "seq": 2, "class_name": "boar"}))
    with Session(desk.engine) as session:
        row = session.scalars(select(DetectionRow)).one()
        verdict = session.scalars(select(Verdict)).one()
        judged = judge(row, verdict, Classes({}))
    assert (row.class_name, judged.class_name, judged.is_human) == ("boar", "leopard", True)
    found = {
        name: _found(desk, DetectionFilter(class_names=(name,))) for name in ("boar", "leopard")
    }
    assert found == {"boar": 0, "leopard": 1}


def _found(desk: Desk, shown: DetectionFilter) -> int:
    with Session(desk.engine) as session:
        return len(session.scalars(select(DetectionRow).where(*shown.conditions())).all())


def test_a_verdict_of_what_the_device_says_no_more_is_refused(desk: Desk) -> None:
    desk.commit(told := sample())
    desk.commit(told.model_copy(update={"rev": 1, "seq": 2, "class_name": "boar"}))
    for word in (Said("right"), Said("wrong")):
        with pytest.raises(OutdatedError, match="says boar by now: look again"):
            _give(desk, told.detection_id, word, seen_rev=0)
    assert _history(desk, told.detection_id) == []
    _give(desk, told.detection_id, Said("other", "civet"), seen_rev=0)
    assert desk.only().verdict_class == "civet"


def test_a_verdict_is_of_the_revision_that_was_seen(desk: Desk) -> None:
    desk.commit(told := sample())
    desk.commit(told.model_copy(update={"rev": 1, "seq": 2, "phase": "end"}))
    _give(desk, told.detection_id, Said("right"), seen_rev=0)
    assert [given.rev for given in _history(desk, told.detection_id)] == [0]


def test_a_later_revision_leaves_the_verdict(desk: Desk) -> None:
    desk.commit(told := sample())
    _give(desk, told.detection_id, Said("wrong"))
    desk.commit(told.model_copy(update={"rev": 1, "seq": 2, "phase": "end"}))
    view = desk.only()
    assert (view.phase, view.verdict) == ("end", "wrong")


def test_a_viewer_gives_no_verdict(desk: Desk) -> None:
    desk.commit(told := sample())
    with pytest.raises(DashboardError, match="vera may only look: ask an admin"):
        _give(desk, told.detection_id, Said("right"), Identity("vera", "viewer"))
    assert desk.only().verdict is None


def test_what_cannot_be_judged_is_refused(desk: Desk) -> None:
    failed = {"class_name": None, "probability": None, "failure": "engine_failed", "votes": None}
    desk.commit(told := sample(**failed))
    with pytest.raises(DashboardError, match="nothing to judge"):
        _give(desk, told.detection_id, Said("right"))
    with pytest.raises(DashboardError, match="is not stored"):
        _give(desk, fresh_id(), Said("right"))


def test_another_species_needs_its_name(desk: Desk) -> None:
    desk.commit(told := sample())
    with pytest.raises(DashboardError, match="which one is it"):
        _give(desk, told.detection_id, Said("other", " \0 "))
    assert _history(desk, told.detection_id) == []


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("Bush Pig", "bush_pig"), ("  bush_pig ", "bush_pig"),
        ("Panthera Pardus", "Panthera pardus"), ("new one", "new_one"), ("", ""),
    ],
)  # fmt: skip
def test_a_typed_name_becomes_the_known_class_or_a_new_one(typed: str, stored: str) -> None:
    assert class_from(typed, ["bush_pig", "Panthera pardus"]) == stored
