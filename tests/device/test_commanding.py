from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from edgeclip.contract.commands import Reply
from edgeclip.contract.logbook import ClockFix, Log, LogEntry
from edgeclip.contract.topics import DeviceTopics
from edgeclip.errors import ConfigError, PublishError
from edgeclip_device.backlog import Backlog
from edgeclip_device.cli import app
from edgeclip_device.clock_fix import ClockFixer
from edgeclip_device.config import DeviceSettings
from edgeclip_device.uplink_thread import UplinkThread
from support.brokers import Broker, running_broker
from support.certificates import Authority
from support.clocks import NOON, StandingClock
from support.commanders import Commander
from support.receivers import Receiver, eventually, receiving

Make = Callable[..., DeviceSettings]
StartUplink = Callable[..., UplinkThread]
TOPICS = DeviceTopics("demo", "jetson-1")


@pytest.fixture
def admin(tmp_path: Path) -> Commander:
    return Commander(tmp_path / "admin")


@pytest.fixture
def obeying(make_settings: Make, broker: Broker, admin: Commander) -> DeviceSettings:
    return make_settings(mqtt={"url": broker.url}, commands={"admins": [admin.public]})


def _command(admin: Commander, broker: Broker, *arguments: str) -> str:
    """Run `edgeclip-device command` and return what it prints."""
    whole = ["command", *arguments, "--device", "jetson-1", "--key", str(admin.key)]
    result = CliRunner().invoke(app, [*whole, "--broker", broker.url, "--wait-s", "20"])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def _started(start_uplink: StartUplink, obeying: DeviceSettings, broker: Broker) -> UplinkThread:
    """Start an uplink; its birth tells that the broker has its subscription."""
    with receiving(broker) as receiver:
        uplink = start_uplink(obeying)
        eventually(lambda: "online" in receiver.states, "the birth")
    return uplink


def _replies(receiver: Receiver) -> list[Reply]:
    return [
        Reply.model_validate_json(payload)
        for topic, payload in list(receiver.others)
        if topic.startswith("reply/")
    ]


@pytest.mark.broker
def test_a_person_pings_a_device_from_a_workstation(
    obeying: DeviceSettings, broker: Broker, admin: Commander, start_uplink: StartUplink
) -> None:
    _started(start_uplink, obeying, broker)
    for _ in range(2):  # the counter beside the key grows
        said = _command(admin, broker, "ping")
        assert said.startswith("accepted\ndone\n")
        assert '"uptime_s"' in said


@pytest.mark.broker
def test_a_broker_that_asks_for_certificates_gets_the_persons_own(
    make_settings: Make, admin: Commander, tmp_path: Path, start_uplink: StartUplink
) -> None:
    (tmp_path / "ca").mkdir()
    authority = Authority(tmp_path / "ca")
    server, device, person = (authority.issue(n) for n in ("localhost", "jetson-1", "ranger"))
    with running_broker(tmp_path / "b", settings=server.mosquitto_lines(authority)) as broker:
        url = f"mqtts://localhost:{broker.port}"
        own = {"certificate_file": device.certificate, "key_file": device.key}
        uplink = start_uplink(
            make_settings(
                mqtt={"url": url, "ca_file": authority.certificate, **own},
                commands={"admins": [admin.public]},
            )
        )
        eventually(lambda: uplink.uplink._presence._told, "the birth")
        files = ["--ca-file", str(authority.certificate), "--certificate-file"]
        files += [str(person.certificate), "--certificate-key", str(person.key)]
        whole = ["command", "ping", "--device", "jetson-1", "--key", str(admin.key), *files]
        result = CliRunner().invoke(app, [*whole, "--broker", url, "--wait-s", "20"])
    assert result.exit_code == 0, result.output
    assert "done" in result.output


@pytest.mark.broker
def test_what_a_device_refuses_is_an_error_with_its_reason(
    obeying: DeviceSettings, broker: Broker, tmp_path: Path, start_uplink: StartUplink
) -> None:
    _started(start_uplink, obeying, broker)
    with pytest.raises(PublishError, match=r"ping refused: key [0-9a-f]{16} is not"):
        _command(Commander(tmp_path / "stranger"), broker, "ping")


@pytest.mark.broker
def test_where_nobody_answers_project_and_device_are_named(
    broker: Broker, admin: Commander
) -> None:
    whole = ["command", "ping", "--device", "jetson-1", "--project", "ridge", "--wait-s", "1"]
    result = CliRunner().invoke(app, [*whole, "--key", str(admin.key), "--broker", broker.url])
    assert isinstance(result.exception, PublishError)
    assert str(result.exception).startswith("ridge/jetson-1 has not answered (are --project")


@pytest.mark.broker
def test_a_device_that_is_away_does_it_when_it_comes_back(
    obeying: DeviceSettings, broker: Broker, admin: Commander, start_uplink: StartUplink
) -> None:
    _started(start_uplink, obeying, broker).stop()
    with receiving(broker) as receiver:
        receiver.publish(TOPICS.command("ping"), admin.seal(admin.command()))
        start_uplink(obeying)
        eventually(lambda: [r.state for r in _replies(receiver)] == ["accepted", "done"], "it")


@pytest.mark.broker
def test_a_retained_command_is_refused_live_and_after_a_new_connection(
    obeying: DeviceSettings, broker: Broker, admin: Commander, start_uplink: StartUplink
) -> None:
    uplink = _started(start_uplink, obeying, broker)
    command = admin.command("restart", args={"service": "uplink"})
    with receiving(broker) as receiver:
        receiver.publish(TOPICS.command("restart"), admin.seal(command), retain=True)
        eventually(lambda: _replies(receiver), "the refusal")
        uplink.stop()
        again = start_uplink(obeying)
        eventually(lambda: len(_replies(receiver)) >= 2, "it again")
    assert {reply.state for reply in _replies(receiver)} == {"refused"}
    assert again.uplink.report.state == "online"


@pytest.mark.broker
def test_verdicts_and_alarms_come_as_entries_of_the_log_book(
    obeying: DeviceSettings, broker: Broker, admin: Commander, start_uplink: StartUplink
) -> None:
    with closing(Backlog(obeying.state)) as backlog:
        backlog.alarms.raise_alarm("overtemp", "95 C")
        backlog.alarms.raise_alarm("overtemp", "96 C")
        backlog.alarms.clear_alarm("overtemp")
    with receiving(broker) as receiver:
        start_uplink(obeying)
        eventually(lambda: "online" in receiver.states, "the birth")
        receiver.publish(TOPICS.command("ping"), admin.seal(admin.command()))
        eventually(lambda: "command" in {entry.kind for entry in _entries(receiver)}, "entries")
        texts = [entry.text for entry in _entries(receiver)]
        assert texts[:2] == ["overtemp: 95 C", "overtemp is over"]
        assert any(text.startswith("ping ") and "accepted" in text for text in texts)
        numbers = [entry.n for entry in _entries(receiver)]
        assert numbers == sorted(set(numbers))


def _entries(receiver: Receiver) -> list[LogEntry]:
    books = [Log.model_validate_json(data) for topic, data in receiver.others if topic == "log"]
    return [entry for book in books for entry in book.entries]


@pytest.mark.broker
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.binary(max_size=300)
    | st.dictionaries(
        st.sampled_from(["schema", "epoch", "payload", "key_id", "signature", "refused", "media"]),
        st.none() | st.integers() | st.text(max_size=40) | st.lists(st.integers(), max_size=3),
    ).map(lambda document: json.dumps(document).encode())
)
def test_no_bytes_on_any_topic_down_stop_an_uplink(fuzzed: _Fuzzed, data: bytes) -> None:
    for topic in (
        TOPICS.receipt, TOPICS.desired, TOPICS.command("ping"), TOPICS.chunk("a" * 64, "0"),
        "edgeclip/v1/demo/dashboard/status",
    ):  # fmt: skip
        fuzzed.receiver.publish(topic, data, retain=topic == TOPICS.desired)
    fuzzed.still_answers()


class _Fuzzed:
    """An uplink that is sent rubbish."""

    def __init__(self, receiver: Receiver, admin: Commander, uplink: UplinkThread) -> None:
        self.receiver, self._admin, self._uplink = receiver, admin, uplink

    def still_answers(self) -> None:
        """Ping it."""
        command = self._admin.command()
        self.receiver.publish(TOPICS.command("ping"), self._admin.seal(command))
        eventually(
            lambda: any(
                reply.command_id == command.command_id and reply.state == "done"
                for reply in _replies(self.receiver)
            ),
            "the ping's reply",
        )
        self._uplink.raise_failure()


@pytest.fixture
def fuzzed(
    obeying: DeviceSettings, broker: Broker, admin: Commander, start_uplink: StartUplink
) -> Iterator[_Fuzzed]:
    with receiving(broker) as receiver:
        uplink = start_uplink(obeying)
        eventually(lambda: "online" in receiver.states, "the birth")
        yield _Fuzzed(receiver, admin, uplink)


@pytest.mark.broker
def test_a_wrong_argument_is_said_before_anything_is_sent(broker: Broker, admin: Commander) -> None:
    with pytest.raises(ConfigError, match="no command 'dance': there are arm"):
        _command(admin, broker, "dance")
    with pytest.raises(ConfigError, match="'5' is not KEY=VALUE"):
        _command(admin, broker, "snapshot", "5")


def _fixes(backlog: Backlog) -> list[ClockFix]:
    rows = backlog.connection.execute("SELECT payload FROM letters WHERE topic LIKE '%clockfix'")
    return [ClockFix.model_validate_json(row[0]) for row in rows]


def test_when_trust_arrives_the_boots_offset_is_told_once(tmp_path: Path) -> None:
    clock = StandingClock(at=NOON.replace(year=1970), boot_s=13.5, trusted=False)
    fixer = ClockFixer(clock, TOPICS, "018bcfe5-6800-79d7-baa4-4201ea1b234f")
    with closing(Backlog(tmp_path, clock)) as backlog:
        fixer.look(backlog)
        assert _fixes(backlog) == []
        clock.at, clock.boot_s, clock.trusted = NOON, 73.5, True
        fixer.look(backlog)
        fixer.look(backlog)
        ClockFixer(clock, TOPICS, "018bcfe5-6800-79d7-baa4-4201ea1b234f").look(backlog)
        (fix,) = _fixes(backlog)
    assert (fix.true_at, fix.at_boot_ns, fix.source) == (NOON, 73_500_000_000, "ntp")
    assert fix.offset_ms is not None
    before = NOON.replace(year=1970)
    assert fix.offset_ms == round((NOON - before).total_seconds() * 1000) - 60_000


def test_a_boot_that_was_never_seen_untrusted_has_no_offset(tmp_path: Path) -> None:
    clock = StandingClock()
    with closing(Backlog(tmp_path, clock)) as backlog:
        ClockFixer(clock, TOPICS, "018bcfe5-6800-79d7-baa4-4201ea1b234f").look(backlog)
        assert [fix.offset_ms for fix in _fixes(backlog)] == [None]
