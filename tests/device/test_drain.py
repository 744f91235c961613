from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeclip.contract.receipts import Receipt
from edgeclip.contract.topics import DeviceTopics
from edgeclip.errors import PublishError
from edgeclip_device.backlog import Backlog
from edgeclip_device.budget import Budget
from edgeclip_device.clock import boot_id
from edgeclip_device.config import MediaSettings, OutboxSettings
from edgeclip_device.drain import Drain, DrainLimits
from edgeclip_device.events import Answered
from edgeclip_device.media import encode
from edgeclip_device.outbox import Attachment, Outbox
from edgeclip_device.uplink_settings import UplinkSettings
from support.clocks import StandingClock
from support.drawn_clips import ground
from support.samples import detection

IDS = [f"018bcfe5-6800-79d7-baa4-{n:012x}" for n in range(40)]
CLOCK = StandingClock()
NOW = CLOCK.boot_ns()
SECOND = 10**9


@dataclass
class Wire:
    """Takes what is published; breaks after so many messages."""

    breaks_after: int = 1000
    sent: list[tuple[str, bytes]] = field(default_factory=list)

    def publish(
        self, topic: str, payload: bytes, *, retain: bool = False, expiry_s: int | None = None
    ) -> int:
        """Keep the message, or fail as a broken connection does."""
        assert not retain
        assert expiry_s is None
        if len(self.sent) >= self.breaks_after:
            raise PublishError("the connection broke")
        self.sent.append((topic, payload))
        return len(self.sent)

    def documents(self) -> list[dict[str, Any]]:
        return [json.loads(payload) for topic, payload in self.sent if "/detection/" in topic]


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
    return _drain(backlog)


def _drain(backlog: Backlog, in_flight: int = 4, **uplink: Any) -> Drain:
    settings = UplinkSettings(**uplink)
    limits = DrainLimits(60, in_flight, settings.part_bytes)
    budget = Budget(settings, backlog, CLOCK, boot_id())
    return Drain(backlog, DeviceTopics("demo", "jetson-1"), limits, budget)


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


def test_what_happens_now_finds_room_beside_ten_days_of_backlog(
    outbox: Outbox, backlog: Backlog, drain: Drain
) -> None:
    _emit(outbox, 30)
    later = NOW + 3600 * SECOND
    wire = Wire()
    drain.fill(wire, later, boot_id())
    assert len(wire.sent) == 3, "a quarter of four is kept free"
    clock = StandingClock(boot_s=later / SECOND)
    with closing(Outbox(backlog._state, OutboxSettings(), clock)) as now:
        now.emit(detection(detection_id=IDS[30]).model_copy(update={"severity": "routine"}))
    drain.fill(wire, later, boot_id())
    assert [item["seq"] for item in wire.documents()] == [1, 2, 3, 31]
    assert [item["historical"] for item in wire.documents()] == [True, True, True, False]


def test_a_row_that_this_broker_does_not_take_blocks_nothing(
    outbox: Outbox, backlog: Backlog, drain: Drain
) -> None:
    outbox.emit(detection(detection_id=IDS[39]).model_copy(update={"camera_id": "c" * 32}))
    _emit(outbox, 3)
    size = max(len(row.payload) for row in backlog.due_rows(9, NOW))
    drain.on_connect(size - 1 + 200)
    wire = Wire()
    drain.fill(wire, NOW, boot_id())
    assert [item["seq"] for item in wire.documents()] == [2, 3, 4]
    assert "larger than this broker takes" in drain.refusals["detection/alert"]
    assert backlog.waiting() == (4, 0)


def _large(outbox: Outbox) -> bytes:
    noise = np.random.default_rng(5).integers(0, 255, (300, 300, 3)).astype(np.uint8)
    snapshot = encode(noise, "full", MediaSettings())
    outbox.emit(detection(detection_id=IDS[0]), [Attachment(0, snapshot)])
    return snapshot.data


def test_a_large_snapshot_goes_in_parts(outbox: Outbox, backlog: Backlog) -> None:
    data = _large(outbox)
    drain, wire = _drain(backlog, 20, part_bytes=10_000), Wire()
    for _ in range(2):
        drain.fill(wire, NOW, boot_id())
    parts = [(topic, part) for topic, part in wire.sent if "/media/" in topic]
    count = -(-len(data) // 10_000)
    assert [topic.split("/")[-1] for topic, _ in parts] == [
        f"{n}-{count}" for n in range(1, count + 1)
    ]
    assert b"".join(part for _, part in parts) == data
    for mid in range(1, len(wire.sent) + 1):
        drain.on_answer(Answered(mid, 0, "Success"), NOW)
    drain.fill(wire, NOW, boot_id())
    assert len(wire.sent) == count + 1, "nothing twice before its time"
    drain.fill(wire, NOW + 61 * SECOND, boot_id())
    drain.fill(wire, NOW + 61 * SECOND, boot_id())
    assert len(wire.sent) == 2 * count + 2, "without a receipt all of it again"


def test_after_a_broken_connection_only_the_missing_parts_go(
    outbox: Outbox, backlog: Backlog
) -> None:
    data = _large(outbox)
    drain, wire = _drain(backlog, 20, part_bytes=10_000), Wire()
    for _ in range(2):
        drain.fill(wire, NOW, boot_id())
    drain.on_answer(Answered(2, 0, "Success"), NOW)  # 1 is the row
    drain.on_answer(Answered(4, 0, "Success"), NOW)
    drain.on_disconnect()
    again = Wire()
    for _ in range(2):
        drain.fill(again, NOW, boot_id())
    count = -(-len(data) // 10_000)
    names = [topic.split("/")[-1] for topic, _ in again.sent if "/media/" in topic]
    assert names == [f"{n}-{count}" for n in range(1, count + 1) if n not in (1, 3)]


def test_a_broker_that_takes_less_gets_smaller_parts(outbox: Outbox, backlog: Backlog) -> None:
    _large(outbox)
    drain, wire = _drain(backlog, 20), Wire()
    drain.on_connect(5_200)
    for _ in range(3):
        drain.fill(wire, NOW, boot_id())
    assert max(len(payload) for _, payload in wire.sent) == 5_000


def test_a_part_that_is_refused_waits_with_its_snapshot(outbox: Outbox, backlog: Backlog) -> None:
    _large(outbox)
    drain, wire = _drain(backlog, 20, part_bytes=10_000), Wire()
    drain.fill(wire, NOW, boot_id())
    drain.on_answer(Answered(2, 0x97, "Quota exceeded"), NOW)
    assert drain.refusals == {"media": "Quota exceeded"}
    sent = len(wire.sent)
    drain.fill(wire, NOW + 59 * SECOND, boot_id())
    assert len(wire.sent) == sent
    drain.fill(wire, NOW + 60 * SECOND, boot_id())
    assert len(wire.sent) > sent


def test_when_the_bytes_of_the_day_are_spent_alerts_have_a_reserve(
    outbox: Outbox, backlog: Backlog
) -> None:
    _large(outbox)
    routine = detection(detection_id=IDS[1]).model_copy(update={"severity": "routine"})
    outbox.emit(routine)
    size = len(backlog.due_rows(9, NOW)[0].payload) + 200
    drain, wire = _drain(backlog, daily_mb=2 * size / 1e6, alert_reserve_pct=50), Wire()
    drain.fill(wire, NOW, boot_id())
    assert [item["severity"] for item in wire.documents()] == ["alert"]
    outbox.emit(detection(detection_id=IDS[2]))
    outbox.emit(detection(detection_id=IDS[3]))
    drain.fill(wire, NOW, boot_id())
    assert [item["seq"] for item in wire.documents()] == [1, 3], "the fourth waits for tomorrow"
    assert backlog.waiting() == (4, 1)
