from __future__ import annotations

import json
import queue
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgeclip.contract.commands import Command, Reply
from edgeclip.contract.topics import DeviceTopics
from edgeclip_device.backlog import Backlog
from edgeclip_device.command_book import CommandBook, Pending
from edgeclip_device.command_desk import CommandDesk
from edgeclip_device.config import DeviceSettings
from edgeclip_device.desired import DesiredFile
from edgeclip_device.events import Arrived, StopAsked
from edgeclip_device.locks import only_process
from edgeclip_device.mqtt import EventQueue
from edgeclip_device.uplink_acts import UplinkActs, command_desk
from support.clocks import NOON, StandingClock
from support.commanders import Commander

Make = Callable[..., DeviceSettings]
TOPICS = DeviceTopics("demo", "jetson-1")


@dataclass
class Rig:
    """A desk, and who may ask it."""

    desk: CommandDesk
    backlog: Backlog
    clock: StandingClock
    admin: Commander
    operator: Commander
    stranger: Commander
    events: EventQueue
    state: Path

    def send(self, command: Command, by: Commander, *, retained: bool = False) -> Reply:
        """Let a command arrive; return the last reply."""
        return self.bytes(by.seal(command), command.name, retained=retained)

    def bytes(self, data: bytes, name: str, *, retained: bool = False) -> Reply:
        """Let bytes arrive on a command's topic; return the last reply."""
        assert self.desk.on_message(Arrived(TOPICS.command(name), data, retained))
        return self.replies()[-1]

    def replies(self) -> list[Reply]:
        rows = self.backlog.connection.execute("SELECT payload FROM letters ORDER BY id")
        return [Reply.model_validate_json(row[0]) for row in rows]

    def entries(self) -> list[str]:
        rows = self.backlog.connection.execute("SELECT text FROM logbook ORDER BY n")
        return [row[0] for row in rows]


@pytest.fixture
def rig(make_settings: Make, tmp_path: Path) -> Iterator[Rig]:
    admin, operator, stranger = (Commander(tmp_path / n) for n in ("admin", "operator", "who"))
    keys = {"admins": [admin.public], "operators": [operator.public]}
    device = make_settings(commands=keys)
    clock = StandingClock(at=NOON.replace(year=2026))
    events: EventQueue = queue.SimpleQueue()
    with closing(Backlog(device.state, clock)) as backlog:
        desk = command_desk(device, backlog, clock, events)
        yield Rig(desk, backlog, clock, admin, operator, stranger, events, device.state)


def _waiting_for_detect(rig: Rig) -> str:
    """Let a command for detect arrive; return the reason of its reply."""
    reply = rig.send(_timely(rig.admin, "disarm"), rig.admin)
    assert reply.state == "accepted"
    return reply.reason


def test_a_command_for_a_detect_that_does_not_run_is_taken_and_says_so(rig: Rig) -> None:
    assert _waiting_for_detect(rig).startswith("detect does not run")
    with only_process(rig.state, "detect"):
        assert _waiting_for_detect(rig) == ""


def _timely(commander: Commander, name: str = "ping", **changes: Any) -> Command:
    until = NOON + timedelta(hours=1)
    return commander.command(name, **{"not_after": until, **changes})


def test_a_ping_is_done_and_says_how_it_does(rig: Rig) -> None:
    command = _timely(rig.operator)
    reply = rig.send(command, rig.operator)
    assert (reply.state, reply.command_id) == ("done", command.command_id)
    assert reply.data["waiting"] == {"detections": 0, "snapshots": 0}
    assert [item.state for item in rig.replies()] == ["accepted", "done"]
    assert "accepted" in rig.entries()[0]


def test_an_admin_has_the_device_rebooted_by_whoever_may(rig: Rig, tmp_path: Path) -> None:
    assert rig.send(_timely(rig.operator, "reboot"), rig.operator).state == "refused"
    command = _timely(rig.admin, "reboot")
    reply = rig.send(command, rig.admin)
    assert (reply.state, "are the units installed" in reply.reason) == ("failed", True)
    topics = DeviceTopics("demo", "jetson-1")
    book = CommandBook(rig.backlog.connection, rig.clock, topics)
    asked = Pending(command.command_id, "reboot", {}, NOON)
    UplinkActs(rig.backlog, book, rig.clock, rig.events, tmp_path).reboot(asked)
    assert json.loads((tmp_path / "reboot").read_text()) == {
        "reason": f"command {command.command_id}"
    }


def test_a_replayed_command_is_answered_as_before_and_not_done_again(rig: Rig) -> None:
    command = _timely(rig.admin, "restart", args={"service": "uplink"})
    for _ in range(3):
        assert rig.send(command, rig.admin).state == "done"
    assert rig.events.get_nowait() == StopAsked()
    assert rig.events.empty()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"counter": 5}, "counter 5 is not above 7"),
        ({"counter": 7}, "counter 7 is not above 7"),
        ({"not_after": NOON - timedelta(seconds=1)}, "it expired at 2026-05-01 11:59:59"),
        ({"device_id": "jetson-2"}, "it is for demo/jetson-2"),
        ({"project": "other"}, "it is for other/jetson-1"),
        ({"name": "pack_rollback"}, "the role operator is not enough for pack_rollback"),
        ({"name": "configure", "args": {"tables": {}}}, "a desired state is no command"),
        ({"name": "snapshot", "args": {"max_bytes": 10**9}}, "snapshot: max_bytes"),
        ({"args": {"x": 1}}, "ping: x"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_not_obeyed_is_refused_with_its_reason(
    rig: Rig, changes: dict[str, Any], reason: str
) -> None:
    rig.send(_timely(rig.operator, counter=7), rig.operator)
    reply = rig.send(_timely(rig.operator, **{"counter": 8, **changes}), rig.operator)
    assert reply.state == "refused"
    assert reason in reply.reason
    assert reason in rig.entries()[-1]


def test_a_retained_command_is_refused_and_a_later_copy_too(rig: Rig) -> None:
    command = _timely(rig.admin, "restart", args={"service": "uplink"})
    assert "retained" in rig.send(command, rig.admin, retained=True).reason
    assert rig.send(command, rig.admin).state == "refused"
    assert rig.events.empty()


def test_an_unknown_key_and_a_wrong_signature_are_refused(rig: Rig) -> None:
    assert "is not known here" in rig.send(_timely(rig.stranger), rig.stranger).reason
    document = json.loads(rig.admin.seal(_timely(rig.admin)))
    document["signature"] = json.loads(rig.stranger.seal(_timely(rig.stranger)))["signature"]
    assert "forged or damaged" in rig.bytes(json.dumps(document).encode(), "ping").reason


def test_a_stranger_cannot_use_up_a_commands_id_or_counter(rig: Rig) -> None:
    command = _timely(rig.operator)
    rig.send(command.model_copy(update={"counter": 10**9}), rig.stranger)
    assert rig.send(command, rig.operator).state == "done"


def test_a_command_on_anothers_topic_is_refused(rig: Rig) -> None:
    data = rig.operator.seal(_timely(rig.operator))
    assert "on the topic of restart" in rig.bytes(data, "restart").reason


def test_a_wrong_clock_refuses_nothing_for_its_age(rig: Rig) -> None:
    rig.clock.trusted = False
    rig.clock.at = NOON.replace(year=2040)
    assert rig.send(_timely(rig.operator), rig.operator).state == "done"


def test_counters_outlive_a_restart(rig: Rig) -> None:
    rig.send(_timely(rig.operator, counter=9), rig.operator)
    with closing(Backlog(rig.state, rig.clock)) as again:
        book = CommandBook(again.connection, rig.clock, TOPICS)
        assert list(book.counters().values()) == [9]


def test_a_flood_of_strangers_is_answered_so_often_and_no_more(rig: Rig) -> None:
    for _ in range(200):
        rig.desk.on_message(Arrived(TOPICS.command("ping"), b"rubbish"))
    assert len(rig.entries()) == 30
    assert rig.send(_timely(rig.operator), rig.operator).state == "done"


def test_without_keys_nothing_is_obeyed(rig: Rig, make_settings: Make) -> None:
    desk = command_desk(make_settings(), rig.backlog, rig.clock, rig.events)
    data = rig.admin.seal(_timely(rig.admin))
    desk.on_message(Arrived(TOPICS.command("ping"), data))
    assert "is not known here" in rig.replies()[-1].reason


def _desire(rig: Rig, tables: dict[str, Any], by: Commander, **changes: Any) -> Reply:
    command = _timely(by, "configure", args={"tables": tables}, **changes)
    rig.desk.on_message(Arrived(TOPICS.desired, by.seal(command, "desired"), retained=True))
    return rig.replies()[-1]


def test_a_desired_state_lies_on_disk_before_it_is_accepted(rig: Rig) -> None:
    tables = {"inference": {"thresholds": {"leopard": {"on": 0.7, "peak": 0.8}}}}
    assert _desire(rig, tables, rig.operator).state == "accepted"
    desired = DesiredFile(rig.state).read()
    assert desired is not None
    assert desired.tables == tables
    assert [
        item.name
        for item in CommandBook(rig.backlog.connection, rig.clock, TOPICS).pending("detect")
    ] == ["configure"]


def test_a_retained_state_that_comes_again_is_no_news(rig: Rig) -> None:
    command = _timely(rig.admin, "configure", args={"tables": {"visits": {"frames": 1}}})
    for _ in range(3):
        data = rig.admin.seal(command, "desired")
        rig.desk.on_message(Arrived(TOPICS.desired, data, retained=True))
    assert len(rig.replies()) == 1
    assert rig.desk.on_message(Arrived(TOPICS.desired, b"", retained=True))
    assert len(rig.replies()) == 1


@pytest.mark.parametrize(
    ("tables", "reason"),
    [
        ({"mqtt": {"url": "mqtt://elsewhere"}}, "mqtt.url cannot be set from afar"),
        ({"commands": {"admins": []}}, "commands.admins cannot be set"),
        ({"device_id": "x"}, "device_id cannot be set"),
        ({"inference": {"bundle": "/tmp/x"}}, "inference.bundle cannot be set"),
        ({"visits": {"frames": 9, "of": 3}}, "can never agree"),
        ({"motion": {"min_blob_pc": 1}}, "min_blob_pc"),
        ({"inference": {"thresholds": {"leopard": {"on": 0.01}}}}, "is not within 0.05 to 0.99"),
        ({"inference": {"thresholds": {"leopard": {"on": "x"}}}}, "leopard].on"),
        ({"inference": {"thresholds": 5}}, "thresholds"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_state_that_cannot_be_is_refused_and_nothing_is_written(
    rig: Rig, tables: dict[str, Any], reason: str
) -> None:
    reply = _desire(rig, tables, rig.admin)
    assert reply.state == "refused"
    assert reason in reply.reason
    assert DesiredFile(rig.state).read() is None


def test_an_operator_sets_less_than_an_admin(rig: Rig) -> None:
    tables = {"visits": {"frames": 1}}
    assert "visits.frames cannot be set from afar" in _desire(rig, tables, rig.operator).reason
    assert _desire(rig, tables, rig.admin).state == "accepted"


def test_an_older_state_does_not_come_back(rig: Rig) -> None:
    assert _desire(rig, {"visits": {"frames": 1}}, rig.admin, counter=9).state == "accepted"
    assert "counter 8 is not above 9" in _desire(rig, {}, rig.admin, counter=8).reason


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner),
    max_leaves=12,
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.binary(max_size=200) | JSON.map(lambda item: json.dumps(item).encode()))
def test_no_bytes_on_any_topic_do_more_than_be_refused(rig: Rig, data: bytes) -> None:
    rig.desk._strangers.clear()
    for topic in (TOPICS.desired, TOPICS.command("ping"), TOPICS.command("no/such\x00name")):
        assert rig.desk.on_message(Arrived(topic, data))
    assert {item.state for item in rig.replies()} <= {"refused"}


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.dictionaries(st.sampled_from(["tables", "service", "lines", "x"]), JSON, max_size=3))
def test_no_arguments_of_a_signed_command_break_the_desk(rig: Rig, args: dict[str, Any]) -> None:
    for name in ("logs", "ping", "snapshot", "thresholds", "pack_add"):
        command = _timely(rig.admin, name, args=args)
        rig.desk.on_message(Arrived(TOPICS.command(name), rig.admin.seal(command)))
    _desire(rig, args, rig.admin)
