"""Commands are done once, also where the outbox that knew them is gone."""

from __future__ import annotations

import queue
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from edgeclip.contract.commands import Reply
from edgeclip.contract.topics import DeviceTopics
from edgeclip.errors import OutboxError
from edgeclip_device.backlog import Backlog
from edgeclip_device.config import DeviceSettings, OutboxSettings
from edgeclip_device.counters import COUNTERS_FILE
from edgeclip_device.database import DATABASE_FILE
from edgeclip_device.desired import DesiredFile
from edgeclip_device.events import Arrived
from edgeclip_device.outbox import Outbox
from edgeclip_device.uplink_acts import command_desk
from support.clocks import NOON, StandingClock
from support.commanders import Commander

Make = Callable[..., DeviceSettings]
TOPICS = DeviceTopics("demo", "jetson-1")
CLOCK = StandingClock(at=NOON.replace(year=2026), trusted=False)
PING = TOPICS.command("ping")


@pytest.fixture
def admin(tmp_path: Path) -> Commander:
    """Somebody who may do all."""
    return Commander(tmp_path / "admin")


@pytest.fixture
def device(make_settings: Make, admin: Commander) -> DeviceSettings:
    """A device that obeys them."""
    return make_settings(commands={"admins": [admin.public]})


def _arrives(device: DeviceSettings, *messages: Arrived, forgets: bool = False) -> list[Reply]:
    """Let messages arrive at an uplink that was started anew; return its new replies."""
    with closing(Backlog(device.state, CLOCK)) as backlog:
        backlog.connection.execute("DELETE FROM letters")
        if forgets:
            backlog.connection.execute("DELETE FROM commands")  # as a thousand later ones do
        desk = command_desk(device, backlog, CLOCK, queue.SimpleQueue())
        for message in messages:
            assert desk.on_message(message)
        rows = backlog.connection.execute("SELECT payload FROM letters ORDER BY id")
        return [Reply.model_validate_json(row[0]) for row in rows]


def _damage_the_outbox(device: DeviceSettings) -> None:
    (device.state / DATABASE_FILE).write_bytes(b"rubbish" * 1000)
    Outbox(device.state, OutboxSettings(), CLOCK).close()


def test_no_command_is_done_again_after_the_outbox_was_damaged(
    device: DeviceSettings, admin: Commander
) -> None:
    old = Arrived(PING, admin.seal(admin.command()))
    assert [reply.state for reply in _arrives(device, old)] == ["accepted", "done"]
    _damage_the_outbox(device)
    (reply,) = _arrives(device, old)
    assert (reply.state, "is not above 1" in reply.reason) == ("refused", True)
    new = Arrived(PING, admin.seal(admin.command()))
    assert _arrives(device, new)[-1].state == "done"


@pytest.mark.parametrize("loss", ["a thousand later commands", "a damaged outbox"])
def test_a_retained_state_that_applies_is_no_replay(
    device: DeviceSettings, admin: Commander, loss: str
) -> None:
    command = admin.command("configure", args={"tables": {"limits": {"alerts_per_hour": 5}}})
    state = Arrived(TOPICS.desired, admin.seal(command, "desired"), retained=True)
    assert _arrives(device, state)[-1].state == "accepted"
    if loss == "a damaged outbox":
        _damage_the_outbox(device)
    assert _arrives(device, state, forgets=True) == []
    desired = DesiredFile(device.state).read()
    assert desired is not None
    assert desired.command_id == command.command_id


def test_an_older_state_is_refused_after_the_outbox_was_damaged(
    device: DeviceSettings, admin: Commander
) -> None:
    older, newer = (
        Arrived(TOPICS.desired, admin.seal(admin.command("configure", args={"tables": {}}),
                                           "desired"), retained=True)
        for _ in range(2)
    )  # fmt: skip
    assert _arrives(device, newer)[-1].state == "accepted"
    _damage_the_outbox(device)
    assert _arrives(device, older)[-1].state == "refused"


def test_counters_that_cannot_be_read_leave_those_of_the_outbox(
    device: DeviceSettings, admin: Commander, caplog: pytest.LogCaptureFixture
) -> None:
    old = Arrived(PING, admin.seal(admin.command()))
    _arrives(device, old)
    (device.state / COUNTERS_FILE).write_text("{")
    assert _arrives(device, old, forgets=True)[-1].state == "refused"
    assert "counters.json cannot be read" in caplog.text


def test_counters_that_cannot_be_kept_let_no_command_through(
    device: DeviceSettings, admin: Commander
) -> None:
    (device.state / COUNTERS_FILE).mkdir(parents=True)
    old = Arrived(PING, admin.seal(admin.command()))
    with pytest.raises(OutboxError, match=r"counters\.json cannot be written"):
        _arrives(device, old)
    (device.state / COUNTERS_FILE).rmdir()
    assert _arrives(device, old)[-1].state == "done"
