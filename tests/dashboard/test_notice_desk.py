from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from edgeclip.errors import ConfigError, DashboardError
from edgeclip_dashboard.identity import Identity
from edgeclip_dashboard.models_notices import Notice
from edgeclip_dashboard.models_people import Deed
from edgeclip_dashboard.notices.claims import acknowledge
from edgeclip_dashboard.notices.desk import (
    all_rules,
    find_rule,
    newest_notices,
    remove_rule,
    save_rule,
    switch_rule,
    try_again,
)
from edgeclip_dashboard.notices.rules import RuleForm
from edgeclip_dashboard.notices.words import what_it_tells, where_it_stands, whom_it_tells
from support.dashboards import sample
from support.rules import AT, add_rule, notices, states

if TYPE_CHECKING:
    from dashboard.conftest import Desk

ADMIN = Identity("asha", "admin")
CHANNEL = "jsons://hooks.example.org/t0ken-t0ken"


def _form(**values: object) -> RuleForm:
    return RuleForm.model_validate({"name": "leopards", "channels": (CHANNEL,)} | values)


def test_a_rule_is_stored_changed_and_removed_and_each_is_noted(desk: Desk) -> None:
    with Session(desk.engine) as session, session.begin():
        save_rule(session, ADMIN, _form(), AT, rule_id=None)
        [view] = all_rules(session)
        changed = _form(name="cats", class_names=("leopard",))
        save_rule(session, ADMIN, changed, AT, rule_id=view.rule_id)
        assert find_rule(session, "cats").form == changed
        remove_rule(session, ADMIN, view.rule_id, AT)
    with Session(desk.engine) as session:
        assert all_rules(session) == []
        deeds = [
            (deed.account_name, deed.deed, deed.subject) for deed in session.scalars(select(Deed))
        ]
    assert deeds == [
        ("asha", "rule added", "leopards"),
        ("asha", "rule changed", "cats"),
        ("asha", "rule removed", "cats"),
    ]


def test_two_rules_of_one_name_are_refused(desk: Desk) -> None:
    add_rule(desk.engine)
    with Session(desk.engine) as session, pytest.raises(DashboardError, match="another rule is"):
        save_rule(session, ADMIN, _form(), AT, rule_id=None)


def test_a_rule_that_is_not_there_is_told_with_those_that_are(desk: Desk) -> None:
    add_rule(desk.engine)
    with Session(desk.engine) as session, pytest.raises(ConfigError, match="there are leopards"):
        find_rule(session, "lions")
    with Session(desk.engine) as session, pytest.raises(DashboardError, match="removed meanwhile"):
        remove_rule(session, ADMIN, 99, AT)


def test_a_rule_that_is_switched_off_tells_nothing_more(desk: Desk) -> None:
    rule_id = add_rule(desk.engine)
    desk.commit(sample())
    with Session(desk.engine) as session, session.begin():
        switch_rule(session, ADMIN, rule_id, AT, is_on=False)
    desk.commit(sample())
    assert states(desk.engine) == ["withdrawn"]


def test_what_was_given_up_can_be_tried_again(desk: Desk) -> None:
    add_rule(desk.engine)
    desk.commit(sample())
    with Session(desk.engine) as session, session.begin():
        session.get_one(Notice, 1).state = "failed"
        session.get_one(Notice, 1).tries = 30
        try_again(session, 1, AT)
    [notice] = notices(desk.engine)
    assert (notice.state, notice.tries, notice.next_try_at) == ("waiting", 0, AT)


def test_notices_are_shown_newest_first_with_what_they_tell_of(desk: Desk) -> None:
    rule_id = add_rule(desk.engine)
    desk.commit(sample(), sample(class_name="hyena"))
    with Session(desk.engine) as session, session.begin():
        acknowledge(session, session.get_one(Notice, 1), "asha", AT + timedelta(minutes=5))
        remove_rule(session, ADMIN, rule_id, AT)
    with Session(desk.engine) as session:
        newest, oldest = newest_notices(session, 10)
        [only] = newest_notices(session, 10, states=("withdrawn",))
    assert newest.told is not None
    assert (newest.told.what, newest.rule_name) == ("hyena", "a rule that was removed")
    assert only == newest
    assert where_it_stands(newest) == "not told"
    assert where_it_stands(oldest) == "acknowledged by asha, 2026-05-01 12:05:00 UTC"


def test_a_rule_in_words_shows_no_channel_whole() -> None:
    rule = _form(
        class_names=("leopard", "hyena"), min_probability=0.9, from_hour="18:00", to_hour="06:00",
        quiet_from="22:00", quiet_to="05:00", time_zone="Africa/Nairobi", escalate_after_s=600,
        escalate_channels=("tgram://123456789:abcdefg_hijklmnop-qrstuv/12315544",),
    )  # fmt: skip
    assert what_it_tells(rule) == [
        ("species", "leopard, hyena"),
        ("places", "any"),
        ("severity", "any"),
        ("probability", "90 % or more"),
        ("hours", "18:00 to 06:00, Africa/Nairobi"),
    ]
    assert whom_it_tells(rule) == [
        ("tells", "JSON (jsons://hooks.example.org/...)"),
        ("quiet", "22:00 to 05:00, Africa/Nairobi: all but alerts waits until then"),
        ("escalation", "Telegram (tgram://...), if nobody acknowledges in 10 minutes"),
    ]
