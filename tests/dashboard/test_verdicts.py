from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import pytest
from sqlalchemy.orm import Session

from dashboard.conftest import NOW
from edgeclip.errors import DashboardError
from edgeclip_dashboard.identity import Identity
from edgeclip_dashboard.verdicts import (
    GivenVerdict,
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
    desk: Desk, detection_id: str, said: Said, who: Identity = ANNA, at: datetime = NOW
) -> None:
    with Session(desk.engine) as session, session.begin():
        give_verdict(session, who, detection_id, said, at)


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
    assert (desk.only().verdict, desk.only().verdict_class) == ("right", None)


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
