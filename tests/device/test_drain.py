from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from edgeclip.contract.receipts import Receipt
from edgeclip.errors import PublishError
from edgeclip_device.backlog import Backlog
from edgeclip_device.clock import boot_id
from edgeclip_device.config import MediaSettings, OutboxSettings
from edgeclip_device.drain import Drain
from edgeclip_device.events import Answered
from edgeclip_device.media import encode
from edgeclip_device.outbox import Attachment, Outbox
from support.clocks import StandingClock
from support.drawn_clips import ground
from support.samples import detection
from support.wires import Wire, drain_of

IDS = [f"018bcfe5-6800-79d7-baa4-{n:012x}" for n in range(40)]
CLOCK = StandingClock()
NOW = CLOCK.boot_ns()
SECOND = 10**9


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    """An empty outbox."""
    with closing(Outbox(tmp_path, OutboxSettings(), CLOCK)) as opened:
        yield opened


@pytest.fixture
def backlog(outbox: Outbox, tmp_path: Path) -> Iterator[Backlog]:
    """The uplink's view of it."""
    assert outbox.epoch
    with closing(Backlog(tmp_path)) as opened:
        yield opened


@pytest.fixture
def drain(backlog: Backlog) -> Drain:
    """A drain with room for four messages in flight."""
    return drain_of(backlog)


def _emit(outbox: Outbox, count: int) -> None:
    for item in IDS[:count]:
        outbox.emit(detection(detection_id=item))


def test_never_more_is_in_flight_than_allowed(outbox: Outbox, drain: Drain) -> None:
    _emit(outbox, 10)
    wire = Wire()
    drain.fill(wire, NOW, boot_id())
    drain.fill(wire, NOW, boot_id())
    assert len(wire.sent) == 4
    drain.on_answer(Answered(1, 0, "Success"), NOW)
    drain.fill(wire, NOW, boot_id())
    assert [item["seq"] for item in wire.documents()] == [1, 2, 3, 4, 5]


def test_detections_go_before_media_and_media_follow(outbox: Outbox, drain: Drain) -> None:
    snapshot = encode(ground(), "full", MediaSettings())
    outbox.emit(detection(detection_id=IDS[0]), [Attachment(3, snapshot)])
    outbox.emit(detection(detection_id=IDS[1]))
    wire = Wire()
    drain.fill(wire, NOW, boot_id())
    topics = [topic.removeprefix("edgeclip/v1/demo/jetson-1/up/") for topic, _ in wire.sent]
    assert topics == ["detection/alert", "detection/alert", f"media/{IDS[0]}/3"]
    assert wire.sent[2][1] == snapshot.data


@pytest.mark.parametrize(("attempts", "wait_s"), [(0, 60), (1, 120), (3, 480), (9, 3600)])
def test_a_row_without_receipt_is_sent_again_later_and_later(
    outbox: Outbox, drain: Drain, attempts: int, wait_s: int
) -> None:
    _emit(outbox, 1)
    wire, now = Wire(), NOW
    for attempt in range(attempts + 1):
        drain.fill(wire, now, boot_id())
        drain.on_answer(Answered(attempt + 1, 0, "Success"), now)
        waited = min(60 * 2**attempt, 3600)
        now += waited * SECOND
    assert len(wire.sent) == attempts + 1
    drain.fill(wire, now - SECOND, boot_id())
    assert len(wire.sent) == attempts + 1, f"before {wait_s} s"
    drain.fill(wire, now, boot_id())
    assert len(wire.sent) == attempts + 2
    assert drain.counts.resent == attempts + 1


def test_a_row_that_was_sent_for_weeks_is_sent_again_after_an_hour(
    outbox: Outbox, drain: Drain
) -> None:
    _emit(outbox, 1)
    outbox.connection.execute("UPDATE outbox SET attempts = 5000")
    wire = Wire()
    drain.fill(wire, NOW, boot_id())
    drain.on_answer(Answered(1, 0, "Success"), NOW)
    drain.fill(wire, NOW + 3599 * SECOND, boot_id())
    assert len(wire.sent) == 1
    drain.fill(wire, NOW + 3600 * SECOND, boot_id())
    assert len(wire.sent) == 2


def test_a_refusal_is_loud_and_the_row_stays(
    outbox: Outbox, backlog: Backlog, drain: Drain, caplog: pytest.LogCaptureFixture
) -> None:
    _emit(outbox, 1)
    drain.fill(Wire(), NOW, boot_id())
    drain.on_answer(Answered(1, 0x87, "Not authorized"), NOW)
    assert drain.counts.refused_by_broker == 1
    assert "the broker refuses row 1: Not authorized" in caplog.text
    assert backlog.waiting() == (1, 0)
    assert backlog.due_rows(1, NOW) == []
    assert [row.seq for row in backlog.due_rows(1, NOW + 60 * SECOND)] == [1]


def test_a_broken_connection_in_the_midst_loses_nothing(outbox: Outbox, drain: Drain) -> None:
    _emit(outbox, 4)
    with pytest.raises(PublishError, match="broke"):
        drain.fill(Wire(breaks_after=2), NOW, boot_id())
    drain.on_disconnect()
    wire = Wire()
    drain.fill(wire, NOW, boot_id())
    assert [item["seq"] for item in wire.documents()] == [1, 2, 3, 4]


def test_an_answer_from_before_the_disconnect_means_nothing(outbox: Outbox, drain: Drain) -> None:
    _emit(outbox, 1)
    drain.fill(Wire(), NOW, boot_id())
    drain.on_disconnect()
    drain.on_answer(Answered(1, 0, "Success"), NOW)
    wire = Wire()
    drain.fill(wire, NOW, boot_id())
    assert len(wire.sent) == 1


def test_a_fresh_detection_is_no_historical_one_and_an_old_one_is(
    outbox: Outbox, drain: Drain
) -> None:
    _emit(outbox, 1)
    fresh, old = Wire(), Wire()
    drain.fill(fresh, NOW + 59 * SECOND, boot_id())
    drain.on_disconnect()
    drain.fill(old, NOW + 61 * SECOND, boot_id())
    assert [item["historical"] for item in fresh.documents() + old.documents()] == [False, True]


def test_a_detection_of_another_boot_is_historical_whatever_its_clock(
    outbox: Outbox, drain: Drain
) -> None:
    _emit(outbox, 1)
    wire = Wire()
    drain.fill(wire, NOW, "another boot")
    assert wire.documents()[0]["historical"] is True


def test_a_receipt_frees_the_rows(outbox: Outbox, backlog: Backlog, drain: Drain) -> None:
    _emit(outbox, 3)
    drain.fill(Wire(), NOW, boot_id())
    receipt = Receipt(dashboard_id="d", epoch=backlog.epoch, received_upto=3)
    assert drain.on_receipt(receipt.to_json()).seqs == [1, 2, 3]
    assert backlog.waiting() == (0, 0)
    assert drain.counts.receipted == 3


@pytest.mark.parametrize(
    "payload",
    [b"", b"rubbish", b"[]", b'{"schema": "edgeclip.receipt/9"}', b"\xff" * 100, b"{" * 10_000],
)
def test_a_receipt_that_cannot_be_read_deletes_nothing(
    outbox: Outbox, backlog: Backlog, drain: Drain, payload: bytes
) -> None:
    _emit(outbox, 1)
    drain.fill(Wire(), NOW, boot_id())
    assert drain.on_receipt(payload).seqs == []
    assert backlog.waiting() == (1, 0)


def test_a_snapshot_that_is_gone_does_not_hold_up_the_rest(
    outbox: Outbox, backlog: Backlog, drain: Drain
) -> None:
    for n in range(2):
        made = Attachment(0, encode(ground(n), "full", MediaSettings()))
        outbox.emit(detection(detection_id=IDS[n]), [made])
    first = backlog.due_media(1, NOW)[0]
    first.path.unlink()
    wire = Wire()
    drain.fill(wire, NOW, boot_id())
    assert sum("/media/" in topic for topic, _ in wire.sent) == 1
    assert backlog.waiting() == (2, 1)
