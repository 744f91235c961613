"""Commands: who may ask, what is signed and written down, how packs are sent in chunks."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from edgeclip.contract.commands import Command, Envelope, opened
from edgeclip.contract.signing import make_key, read_private_key, read_public_keys
from edgeclip.errors import DashboardError
from edgeclip_dashboard.field.asked import AskedView, read_asked
from edgeclip_dashboard.field.asking import Asking, Author
from edgeclip_dashboard.field.deliveries import Delivery, PackShelf
from edgeclip_dashboard.field.sending import PackSending
from edgeclip_dashboard.identity import Identity
from edgeclip_dashboard.messages_field import ReplyMessage
from edgeclip_dashboard.models_field import CommandRow
from edgeclip_dashboard.models_people import Deed
from support.dashboards import jpeg
from support.reports_of_a_device import DEVICE, reply

if TYPE_CHECKING:
    from dashboard.conftest import Desk

ADMIN = Identity("ana", "admin")
REVIEWER = Identity("ben", "reviewer")


@dataclass
class Bench:
    """An asking without a broker: what it published is kept."""

    desk: Desk
    key_file: Path
    published: list[tuple[str, bytes]] = field(default_factory=list)
    is_online: bool = True

    def __post_init__(self) -> None:
        self.public = make_key(self.key_file)
        author = Author("demo", "dashboard", read_private_key(self.key_file))
        self.asking = Asking(self.desk.engine, author, self.publish, lambda: None)

    def publish(self, topic: str, payload: bytes) -> bool:
        if self.is_online:
            self.published.append((topic, payload))
        return self.is_online

    def commands(self) -> list[Command]:
        """Return what a device would believe of what was published."""
        keys = read_public_keys([self.public])
        envelopes = [payload for topic, payload in self.published if "/down/command/" in topic]
        return [opened(payload, "command", keys)[0] for payload in envelopes]

    def asked(self) -> AskedView:
        with Session(self.desk.engine) as session:
            return read_asked(session, DEVICE)[0]

    def answer(self, command_id: str, state: str, **data: Any) -> None:
        self.desk.commit(ReplyMessage(reply(command_id, state, data=data)))


@pytest.fixture
def bench(desk: Desk, tmp_path: Path) -> Bench:
    return Bench(desk, tmp_path / "key")


def test_a_command_is_signed_written_down_and_sent(bench: Bench) -> None:
    command_id = bench.asking.ask(REVIEWER, DEVICE, "snapshot", {"max_bytes": 25_000})
    [command] = bench.commands()
    assert (command.command_id, command.device_id) == (command_id, DEVICE)
    assert command.args == {"max_bytes": 25_000}
    assert bench.published[0][0] == f"edgeclip/v1/demo/{DEVICE}/down/command/snapshot"
    view = bench.asked()
    assert (view.state, view.account_name) == ("sent", "ben")
    with Session(bench.desk.engine) as session:
        [deed] = session.scalars(select(Deed))
    assert (deed.account_name, deed.deed) == ("ben", "command sent")


def test_counters_grow_from_one_command_to_the_next(bench: Bench) -> None:
    for _ in range(3):
        bench.asking.ask(REVIEWER, DEVICE, "ping", {})
    counters = [command.counter for command in bench.commands()]
    assert counters == sorted(set(counters))


@pytest.mark.parametrize(
    ("role", "name"), [("viewer", "ping"), ("reviewer", "restart"), ("reviewer", "pack_add")]
)
def test_a_role_that_is_not_enough_sends_nothing(bench: Bench, role: Any, name: Any) -> None:
    with pytest.raises(DashboardError, match="is not enough"):
        bench.asking.ask(Identity("x", role), DEVICE, name, {})
    assert bench.published == []


def test_without_a_key_nothing_is_asked(desk: Desk) -> None:
    asking = Asking(desk.engine, Author("demo", "d", None), lambda *_: True, lambda: None)
    with pytest.raises(DashboardError, match="key_file"):
        asking.ask(ADMIN, DEVICE, "ping", {})


def test_without_a_connection_a_command_has_failed(bench: Bench) -> None:
    bench.is_online = False
    with pytest.raises(DashboardError, match="no connection"):
        bench.asking.ask(ADMIN, DEVICE, "ping", {})
    view = bench.asked()
    assert (view.state, view.reason) == ("failed", "there was no connection to the broker")


def test_an_answer_is_told_in_words(bench: Bench) -> None:
    command_id = bench.asking.ask(ADMIN, DEVICE, "ping", {})
    now = datetime.now(timezone.utc)
    assert bench.asked().said(now) == "no answer yet"
    assert bench.asked().said(now + timedelta(hours=2)) == "never answered"
    bench.answer(
        command_id,
        "done",
        uptime_s=7,
        clock={"source": "ntp", "trusted": True, "error_ms": None},
        alarms=[],
        stage="shadow",
    )
    assert bench.asked().said(now) == "done"
    assert bench.asked().details() == (
        "uptime_s 7, clock (source ntp, trusted yes), alarms none, stage shadow"
    )


def test_a_snapshot_is_shown_only_if_it_is_a_picture(bench: Bench) -> None:
    picture = base64.b64encode(jpeg()).decode()
    for text, shown in ((picture, picture), ("PHN2Zz4=", None), ("no base64", None), (7, None)):
        command_id = bench.asking.ask(ADMIN, DEVICE, "snapshot", {})
        bench.answer(command_id, "done", jpeg=text)
        assert bench.asked().snapshot() == shown


def test_lines_of_a_log_are_shown(bench: Bench) -> None:
    command_id = bench.asking.ask(ADMIN, DEVICE, "logs", {"service": "detect"})
    bench.answer(command_id, "done", lines=["one", 2])
    assert bench.asked().lines() == ["one", "2"]
    bench.answer(bench.asking.ask(ADMIN, DEVICE, "logs", {}), "done", lines="none")
    assert bench.asked().lines() == []
    bench.answer(bench.asking.ask(ADMIN, DEVICE, "logs", {}), "done", lines=[])
    assert bench.asked().details() == "no lines"


@dataclass
class Sending:
    """A pack of 70 kB on its way, with a clock that is moved by hand."""

    bench: Bench
    shelf: PackShelf
    delivery: Delivery
    data: bytes
    seconds: float = 0.0

    def __post_init__(self) -> None:
        self.sending = self.restarted()
        self.command_id = self.sending.send(ADMIN, DEVICE, self.delivery)

    def restarted(self) -> PackSending:
        bench = self.bench
        return PackSending(
            bench.desk.engine, bench.asking, self.shelf, bench.publish, lambda: self.seconds
        )

    def go_round(self) -> None:
        self.sending.go_round(lambda: True)

    def chunks(self) -> list[tuple[int, int]]:
        """Return offset and size of each chunk that was published."""
        prefix = f"edgeclip/v1/demo/{DEVICE}/down/chunk/{self.delivery.sha256}/"
        found = []
        for topic, payload in self.bench.published:
            if topic.startswith(prefix):
                offset = int(topic.removeprefix(prefix))
                assert payload == self.data[offset : offset + len(payload)]
                found.append((offset, len(payload)))
        return found


@pytest.fixture
def sending(bench: Bench, tmp_path: Path) -> Sending:
    data = bytes(range(250)) * 280
    shelf = PackShelf(tmp_path / "packs", 1_000_000)
    delivery = Delivery("a" * 64, len(data), ("leopard@1.1.0",), datetime.now(timezone.utc), "k")
    shelf.path_of(delivery.sha256).parent.mkdir()
    shelf.path_of(delivery.sha256).write_bytes(data)
    return Sending(bench, shelf, delivery, data)


def test_a_pack_goes_in_chunks_as_the_device_asks_for_them(sending: Sending) -> None:
    sending.go_round()
    assert sending.chunks() == []
    for received in (0, 32_000, 64_000, 70_000):
        sending.bench.answer(sending.command_id, "receiving", received=received)
        sending.go_round()
        sending.go_round()
    assert sending.chunks() == [(0, 32_000), (32_000, 32_000), (64_000, 6_000)]
    assert sending.bench.asked().said(datetime.now(timezone.utc)) == "receiving, 100 %"
    sending.bench.answer(sending.command_id, "done")
    sending.seconds = 60
    sending.go_round()
    assert len(sending.bench.commands()) == 1


def test_a_device_that_says_nothing_is_asked_again_and_given_the_chunk_again(
    sending: Sending,
) -> None:
    sending.go_round()
    sending.seconds = 11
    sending.go_round()
    first, again = sending.bench.commands()
    assert first == again
    sending.bench.answer(sending.command_id, "receiving", received=0)
    sending.go_round()
    sending.seconds = 22
    sending.go_round()
    assert sending.chunks() == [(0, 32_000)] * 2


def test_a_dashboard_that_starts_anew_goes_on_where_the_device_is(sending: Sending) -> None:
    sending.bench.answer(sending.command_id, "receiving", received=64_000)
    sending.sending = sending.restarted()
    sending.go_round()
    assert sending.chunks() == [(64_000, 6_000)]


def test_what_a_device_says_of_its_bytes_is_not_believed_blindly(sending: Sending) -> None:
    for received in (-5, "all", True, 10**15):
        sending.bench.answer(sending.command_id, "receiving", received=received)
        sending.go_round()
    assert set(sending.chunks()) <= {(0, 32_000)}


def test_a_pack_that_is_gone_from_here_fails_with_what_to_do(sending: Sending) -> None:
    sending.shelf.path_of(sending.delivery.sha256).unlink()
    sending.bench.answer(sending.command_id, "receiving", received=0)
    sending.go_round()
    assert sending.bench.asked().state == "failed"
    assert "upload it again" in sending.bench.asked().reason


def test_the_commands_of_another_dashboard_are_left_to_it(sending: Sending) -> None:
    with Session(sending.bench.desk.engine) as session, session.begin():
        session.get_one(CommandRow, sending.command_id).dashboard_id = "other"
    sending.bench.answer(sending.command_id, "receiving", received=0)
    sending.go_round()
    assert sending.chunks() == []


def test_an_envelope_is_of_the_key_that_is_told(bench: Bench) -> None:
    bench.asking.ask(ADMIN, DEVICE, "ping", {})
    envelope = Envelope.model_validate_json(bench.published[0][1])
    assert envelope.key_id == bench.asking.author.key_id
    assert json.loads(base64.b64decode(envelope.payload))["name"] == "ping"
