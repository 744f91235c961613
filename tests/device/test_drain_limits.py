from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from edgeclip_device.backlog import Backlog
from edgeclip_device.clock import boot_id
from edgeclip_device.config import MediaSettings, OutboxSettings
from edgeclip_device.drain import Drain
from edgeclip_device.events import Answered
from edgeclip_device.media import encode
from edgeclip_device.outbox import Attachment, Outbox
from support.clocks import StandingClock
from support.samples import detection
from support.wires import Wire, drain_of

IDS = [f"018bcfe5-6800-79d7-baa4-{n:012x}" for n in range(40)]
CLOCK = StandingClock()
NOW = CLOCK.boot_ns()
SECOND = 10**9


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    with closing(Outbox(tmp_path, OutboxSettings(), CLOCK)) as opened:
        yield opened


@pytest.fixture
def backlog(outbox: Outbox, tmp_path: Path) -> Iterator[Backlog]:
    assert outbox.epoch
    with closing(Backlog(tmp_path)) as opened:
        yield opened


@pytest.fixture
def drain(backlog: Backlog) -> Drain:
    return drain_of(backlog)


def _emit(outbox: Outbox, count: int) -> None:
    for item in IDS[:count]:
        outbox.emit(detection(detection_id=item))


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
    drain.on_connect(size - 1)
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
    drain, wire = drain_of(backlog, 20, part_bytes=10_000), Wire()
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
    drain, wire = drain_of(backlog, 20, part_bytes=10_000), Wire()
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
    drain, wire = drain_of(backlog, 20), Wire()
    drain.on_connect(5_000)
    for _ in range(3):
        drain.fill(wire, NOW, boot_id())
    assert max(len(payload) for _, payload in wire.sent) == 5_000


def test_a_part_that_is_refused_waits_with_its_snapshot(outbox: Outbox, backlog: Backlog) -> None:
    _large(outbox)
    drain, wire = drain_of(backlog, 20, part_bytes=10_000), Wire()
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
    drain, wire = drain_of(backlog, daily_mb=2 * size / 1e6, alert_reserve_pct=50), Wire()
    drain.fill(wire, NOW, boot_id())
    assert [item["severity"] for item in wire.documents()] == ["alert"]
    outbox.emit(detection(detection_id=IDS[2]))
    outbox.emit(detection(detection_id=IDS[3]))
    drain.fill(wire, NOW, boot_id())
    assert [item["seq"] for item in wire.documents()] == [1, 3], "the fourth waits for tomorrow"
    assert backlog.waiting() == (4, 1)
