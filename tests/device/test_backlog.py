from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from edgeclip.contract.receipts import Receipt, Refusal
from edgeclip.errors import OutboxError
from edgeclip_device.backlog import Backlog
from edgeclip_device.config import MediaSettings, OutboxSettings
from edgeclip_device.database import DATABASE_FILE
from edgeclip_device.media import encode
from edgeclip_device.outbox import Attachment, Outbox
from edgeclip_device.outbox_status import read_status
from support.clocks import StandingClock
from support.drawn_clips import ground
from support.samples import EPOCH, detection

IDS = [f"018bcfe5-6800-79d7-baa4-{n:012x}" for n in range(20)]
NOW = 10**15


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    """An outbox with five alerts, rows 1 to 5."""
    with closing(Outbox(tmp_path, OutboxSettings(), StandingClock())) as opened:
        for item in IDS[:5]:
            opened.emit(detection(detection_id=item))
        yield opened


@pytest.fixture
def backlog(outbox: Outbox, tmp_path: Path) -> Iterator[Backlog]:
    """The uplink's view of it."""
    assert outbox.epoch
    with closing(Backlog(tmp_path)) as opened:
        yield opened


def _receipt(backlog: Backlog, upto: int = 0, **more: object) -> Receipt:
    document = {"dashboard_id": "d", "epoch": backlog.epoch, "received_upto": upto, **more}
    return Receipt.model_validate(document)


def _due(backlog: Backlog, now_ns: int = NOW) -> list[int]:
    return [row.seq for row in backlog.due_rows(100, now_ns)]


def _add_media(outbox: Outbox, n: int) -> str:
    made = Attachment(0, encode(ground(n), "full", MediaSettings()))
    outbox.emit(detection(detection_id=IDS[n]), [made])
    return made.snapshot.sha256


def test_alerts_go_before_routine_and_the_oldest_first(outbox: Outbox, backlog: Backlog) -> None:
    outbox.emit(detection(detection_id=IDS[5]).model_copy(update={"severity": "routine"}))
    outbox.emit(detection(detection_id=IDS[6]))
    assert _due(backlog) == [1, 2, 3, 4, 5, 7, 6]
    assert [row.seq for row in backlog.due_rows(2, NOW)] == [1, 2]


def test_what_is_in_flight_is_not_offered_again(backlog: Backlog) -> None:
    backlog.mark_sent([1, 2], [])
    assert _due(backlog) == [3, 4, 5]


def test_what_the_broker_took_is_due_again_when_its_time_has_come(backlog: Backlog) -> None:
    backlog.mark_sent([1], [])
    backlog.settle(1, acknowledged=True, reason=None, next_try_ns=NOW + 1)
    assert 1 not in _due(backlog)
    assert 1 in _due(backlog, NOW + 1)
    assert backlog.due_rows(1, NOW + 1)[0].attempts == 1


def test_a_lost_connection_makes_due_what_was_not_answered(backlog: Backlog) -> None:
    backlog.mark_sent([1, 2], [])
    backlog.settle(2, acknowledged=True, reason=None, next_try_ns=NOW + 1)
    backlog.connection_lost()
    assert _due(backlog) == [1, 3, 4, 5]


def test_a_dashboard_that_is_back_makes_due_what_has_no_receipt(backlog: Backlog) -> None:
    backlog.mark_sent([1], [])
    backlog.settle(1, acknowledged=True, reason=None, next_try_ns=NOW + 1)
    backlog.dashboard_is_back()
    assert _due(backlog) == [1, 2, 3, 4, 5]


def test_a_restart_makes_everything_due(backlog: Backlog, tmp_path: Path) -> None:
    backlog.mark_sent([1, 2], [])
    backlog.settle(2, acknowledged=True, reason=None, next_try_ns=NOW * 2)
    with closing(Backlog(tmp_path)) as again:
        assert _due(again, 0) == [1, 2, 3, 4, 5]


def test_a_receipt_deletes_the_rows_that_it_names_and_no_other(backlog: Backlog) -> None:
    backlog.mark_sent([1, 2, 3, 4, 5], [])
    released = backlog.release(_receipt(backlog, 2, ranges=[(4, 4)]))
    assert released.seqs == [1, 2, 4]
    backlog.connection_lost()
    assert _due(backlog) == [3, 5]


def test_a_receipt_deletes_nothing_that_was_never_sent(backlog: Backlog) -> None:
    backlog.mark_sent([1], [])
    assert backlog.release(_receipt(backlog, 5)).seqs == [1]
    assert _due(backlog) == [2, 3, 4, 5]


def test_a_receipt_of_another_epoch_deletes_nothing(backlog: Backlog) -> None:
    backlog.mark_sent([1, 2, 3, 4, 5], [])
    receipt = Receipt(dashboard_id="d", epoch=EPOCH, received_upto=5)
    assert backlog.release(receipt).seqs == []
    assert backlog.waiting() == (5, 0)


def test_a_refused_row_is_dropped_and_counted(backlog: Backlog, tmp_path: Path) -> None:
    backlog.mark_sent([1, 2], [])
    refused = [Refusal(seq=2, reason="unreadable")]
    assert backlog.release(_receipt(backlog, 1, refused=refused)).refused == [(2, "unreadable")]
    assert backlog.waiting() == (3, 0)
    assert [(d.kind, d.count) for d in read_status(tmp_path).dropped] == [("refused", 1)]


def test_a_receipt_for_media_deletes_row_and_file(outbox: Outbox, backlog: Backlog) -> None:
    digest = _add_media(outbox, 5)
    (row,) = backlog.due_media(10, NOW)
    assert row.path.is_file()
    assert backlog.release(_receipt(backlog, media=[digest, "b" * 64])).media == [digest]
    assert not row.path.exists()
    assert backlog.due_media(10, NOW) == []


def test_a_snapshot_whose_file_is_gone_is_forgotten_and_counted(
    outbox: Outbox, backlog: Backlog, tmp_path: Path
) -> None:
    backlog.media_is_gone(_add_media(outbox, 5))
    assert backlog.waiting() == (6, 0)
    assert [(d.kind, d.count) for d in read_status(tmp_path).dropped] == [("media_missing", 1)]


def test_bdseq_grows_also_over_restarts(backlog: Backlog, tmp_path: Path) -> None:
    first = backlog.next_bdseq()
    with closing(Backlog(tmp_path)) as again:
        assert again.next_bdseq() == first + 1


def test_what_detect_left_is_read_and_rubbish_is_nothing(outbox: Outbox, backlog: Backlog) -> None:
    assert backlog.running() is None
    outbox.note("running", '{"pack": 3}')
    assert backlog.running() is None


def test_it_sees_that_detect_began_a_new_file(backlog: Backlog, tmp_path: Path) -> None:
    assert not backlog.is_replaced()
    (tmp_path / DATABASE_FILE).replace(tmp_path / "aside")
    assert backlog.is_replaced()
    (tmp_path / DATABASE_FILE).write_bytes(b"")
    assert backlog.is_replaced()


def test_a_damaged_file_is_left_to_detect(tmp_path: Path) -> None:
    (tmp_path / DATABASE_FILE).write_bytes(b"rubbish" * 1000)
    with pytest.raises(OutboxError, match="detect has set a damaged one aside"):
        Backlog(tmp_path)
    assert (tmp_path / DATABASE_FILE).read_bytes().startswith(b"rubbish")


def test_a_row_that_the_broker_refused_is_due_again_after_a_reboot(
    outbox: Outbox, backlog: Backlog, tmp_path: Path
) -> None:
    assert outbox.epoch
    long_uptime_ns = 30 * 86_400 * 10**9
    backlog.mark_sent([1], [])
    backlog.settle(1, acknowledged=False, reason="quota", next_try_ns=long_uptime_ns)
    with closing(Backlog(tmp_path)) as after_reboot:
        assert 1 in _due(after_reboot, now_ns=10**9)
