from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import pytest
from sqlalchemy.orm import Session

from edgeclip_dashboard.models_field import Deployment
from edgeclip_dashboard.models_notices import Notice, Rule
from edgeclip_dashboard.notices.claims import acknowledge, claim_due
from edgeclip_dashboard.notices.teller import Teller
from edgeclip_dashboard.rounds import Rounds
from support.dashboards import eventually
from support.listeners import http_listener
from support.rules import notices, states
from support.teams import Team

if TYPE_CHECKING:
    from dashboard.conftest import Desk

NOON = datetime(2026, 5, 1, 12, tzinfo=timezone.utc)


@pytest.fixture
def team(desk: Desk) -> Iterator[Team]:
    with http_listener() as server:
        yield Team(desk, server)


def test_a_notice_is_told_once_with_what_people_need(team: Team) -> None:
    team.rule()
    with Session(team.desk.engine) as session, session.begin():
        session.add(_place("North ridge"))
    [seen] = team.see()
    team.later()
    team.later(hours=1)
    [heard] = team.server.heard
    assert heard.json()["title"] == "leopard 93 % at North ridge"
    body = heard.json()["message"]
    for expected in (
        "leopard, 93 %, alert, North ridge",
        "ridge-2026, camera north, device jetson-1",
        "2026-05-01 12:00:00 UTC",
        "3 of 3 frames agree",
        "Rule: leopards",
        f"Look: https://cams.example.org/detections/{seen.detection_id}",
        "I have seen it: https://cams.example.org/acknowledge?notice=1&until=",
    ):
        assert expected in body
    assert states(team.desk.engine) == ["sent"]


def test_a_notice_tells_the_time_of_the_place(team: Team) -> None:
    team.rule()
    with Session(team.desk.engine) as session, session.begin():
        session.add(_place("North ridge", "Africa/Nairobi"))
    team.see()
    team.later()
    assert "2026-05-01 15:00:00 EAT" in team.server.heard[0].json()["message"]


def _place(name: str, time_zone: str = "") -> Deployment:
    empty = dict.fromkeys(("camera_model", "setup_by", "habitat", "comments"), "")
    return Deployment(
        deployment_id="ridge-2026", name=name, time_zone=time_zone, updated_at=NOON, **empty
    )


def test_what_a_device_calls_a_class_stays_in_one_line(team: Team) -> None:
    team.rule()
    team.see(class_name="leopard\nBcc: all@example.org\u202e")
    team.later()
    assert team.server.titles() == ["leopard Bcc: all@example.org  93 % at ridge-2026"]


def test_a_channel_that_fails_is_tried_again_and_the_other_is_not_told_twice(team: Team) -> None:
    with http_listener() as broken:
        broken.status = 503
        team.rule(channels=(team.server.channel("team"), broken.channel("broken")))
        team.see()
        team.later()
        [notice] = notices(team.desk.engine)
        assert (notice.state, notice.tries) == ("waiting", 1)
        assert "JSON (json://127.0.0.1/...): " in notice.error
        assert "503" in notice.error
        team.later(seconds=29)
        assert len(broken.heard) == 1
        team.later(seconds=1)
        assert len(broken.heard) == 2
        broken.status = 200
        team.later(seconds=59)
        assert len(broken.heard) == 2
        team.later(seconds=1)
        assert len(broken.heard) == 3
    assert len(team.server.heard) == 1
    [notice] = notices(team.desk.engine)
    assert (notice.state, notice.error) == ("sent", "")


def test_after_about_a_day_it_is_given_up_and_the_reason_stays(team: Team) -> None:
    team.server.status = 500
    team.rule()
    team.see()
    for _ in range(40):
        team.later(hours=1)
    assert len(team.server.heard) == 30
    [notice] = notices(team.desk.engine)
    assert notice.state == "failed"
    assert "500" in notice.error


def test_a_channel_that_takes_nothing_is_waited_for_once_a_round(team: Team) -> None:
    team.server.status = 500
    team.rule()
    team.rule(name="the same channel")
    team.see()
    team.later()
    assert len(team.server.heard) == 1
    assert [notice.tries for notice in notices(team.desk.engine)] == [1, 1]


def test_routine_notices_of_quiet_hours_are_told_together_when_they_end(team: Team) -> None:
    team.rule(quiet_from="11:00", quiet_to="14:00")
    team.see(2, severity="routine")
    team.later(minutes=119)
    assert team.told() == []
    team.later(minutes=1)
    [heard] = team.server.heard
    assert heard.json()["title"] == "2 detections for leopards"
    assert "2 x leopard at ridge-2026" in heard.json()["message"]
    assert states(team.desk.engine) == ["sent", "sent"]


def test_a_flood_is_told_in_one_message(team: Team) -> None:
    team.rule()
    team.see(60)
    team.later()
    [heard] = team.server.heard
    assert heard.json()["title"] == "60 detections for leopards, 60 alerts"
    assert "and 40 more" in heard.json()["message"]
    assert set(states(team.desk.engine)) == {"sent"}


def _escalating(team: Team) -> None:
    team.rule(escalate_after_s=600, escalate_channels=(team.server.channel("chief"),))


def test_a_stream_of_alerts_is_told_together_once_a_minute(team: Team) -> None:
    team.rule()
    for _ in range(10):
        team.see()
        team.later(seconds=1)
    assert len(team.told()) == 3
    team.later(seconds=51)
    assert team.server.titles()[3:] == ["7 detections for leopards, 7 alerts"]
    assert set(states(team.desk.engine)) == {"sent"}


def test_an_alert_that_nobody_acknowledges_is_escalated_once(team: Team) -> None:
    _escalating(team)
    team.see()
    team.later()
    team.later(minutes=9)
    assert [path for path, _ in team.told()] == ["/team"]
    team.later(minutes=1)
    team.later(hours=2)
    assert team.told()[1:] == [("/chief", "Nobody has acknowledged: leopard 93 % at ridge-2026")]
    assert states(team.desk.engine) == ["escalated"]


def test_an_alert_that_somebody_acknowledged_is_not_escalated(team: Team) -> None:
    _escalating(team)
    team.see()
    team.later()
    with Session(team.desk.engine) as session, session.begin():
        notice = session.get_one(Notice, 1)
        assert acknowledge(session, notice, "asha", team.clock.at)
        assert not acknowledge(session, notice, "ben", team.clock.at)
    team.later(hours=1)
    assert len(team.told()) == 1
    [notice] = notices(team.desk.engine)
    assert (notice.state, notice.acknowledged_by) == ("acknowledged", "asha")


def test_routine_notices_are_not_escalated(team: Team) -> None:
    _escalating(team)
    team.see(severity="routine")
    team.later()
    team.later(hours=1)
    assert [path for path, _ in team.told()] == ["/team"]


def test_an_alert_that_cannot_be_told_reaches_the_escalation_all_the_same(team: Team) -> None:
    with http_listener() as broken:
        broken.status = 500
        team.rule(
            channels=(broken.channel("team"),),
            escalate_after_s=60,
            escalate_channels=(team.server.channel("chief"),),
        )
        team.see()
        team.later()
        team.later(seconds=60)
    assert team.told() == [("/chief", "leopard 93 % at ridge-2026")]
    [notice] = notices(team.desk.engine)
    assert notice.escalated_at == team.clock.at


def test_everybody_who_was_told_is_told_that_it_was_taken_back(team: Team) -> None:
    _escalating(team)
    [seen] = team.see()
    team.later()
    team.later(minutes=10)
    back = seen.model_copy(update={"rev": 1, "seq": 9, "phase": "retract"})
    team.store(back)
    team.later()
    team.later(hours=1)
    title = "Taken back: leopard 93 % at ridge-2026"
    assert team.told()[2:] == [("/team", title), ("/chief", title)]
    assert "I have seen it" not in team.server.heard[-1].json()["message"]
    assert states(team.desk.engine) == ["taken back"]


def test_what_is_taken_back_while_it_is_being_told_is_told_too(team: Team) -> None:
    [seen] = team.see()
    team.rule()
    team.store(seen.model_copy(update={"rev": 1, "seq": 8, "phase": "update"}))
    back = seen.model_copy(update={"rev": 2, "seq": 9, "phase": "retract"})

    def tell(url: str, title: str, body: str) -> None:
        del url, body
        titles.append(title)
        if len(titles) == 1:
            team.store(back)

    titles: list[str] = []
    teller = Teller(team.desk.engine, None, clock=team.clock.now, tell=tell)
    teller.step()
    teller.step()
    assert titles == ["leopard 93 % at ridge-2026", "Taken back: leopard 93 % at ridge-2026"]


def test_what_one_process_has_claimed_another_leaves_alone_until_the_lease_ends(
    team: Team,
) -> None:
    team.rule()
    team.see()
    assert len(claim_due(team.desk.engine, team.clock.at)) == 1
    assert claim_due(team.desk.engine, team.clock.at) == []
    team.later(minutes=4)
    assert team.told() == []
    team.later(minutes=1)
    assert len(team.told()) == 1


def test_what_a_rule_had_to_tell_goes_with_it(team: Team) -> None:
    rule_id = team.rule()
    team.see()
    with Session(team.desk.engine) as session, session.begin():
        session.delete(session.get_one(Rule, rule_id))
    team.later()
    assert team.told() == []
    assert states(team.desk.engine) == ["withdrawn"]


def test_a_running_teller_tells_as_soon_as_it_is_woken(team: Team) -> None:
    rounds = Rounds("notices", Teller(team.desk.engine, None).step)
    rounds.start()
    try:
        team.rule()
        team.see()
        rounds.wake()
        eventually(lambda: len(team.told()) == 1, what="it is told")
        assert "https://" not in team.server.heard[0].json()["message"]
    finally:
        rounds.stop()


def test_who_is_to_stop_leaves_the_rest_until_the_lease_ends(team: Team) -> None:
    team.rule()
    team.see(2)
    team.teller.step(lambda: len(team.told()) == 0)
    assert len(team.told()) == 1
    team.later(minutes=5)
    assert len(team.told()) == 2
