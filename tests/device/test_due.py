"""What is due, in outboxes that have grown while nobody was there."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from edgeclip.contract.detection import new_id
from edgeclip.errors import OutboxError
from edgeclip_device.backlog import Backlog
from edgeclip_device.config import MediaSettings, OutboxSettings
from edgeclip_device.database import ACKNOWLEDGED, DATABASE_FILE
from edgeclip_device.media import encode
from edgeclip_device.outbox import Attachment, Outbox
from support.clocks import StandingClock
from support.drawn_clips import ground
from support.samples import detection

MANY = 3000
NOW = 10**15
HOUR_NS = 3600 * 10**9


def _multiply(state: Path, count: int) -> None:
    """Fill an outbox of one row up with copies that the broker has taken."""
    with closing(sqlite3.connect(state / DATABASE_FILE)) as connection, connection:
        names = [row[1] for row in connection.execute("PRAGMA table_info(outbox)")]
        new = {"seq": "n", "message_id": "'m' || n", "state": ACKNOWLEDGED, "attempts": 1,
               "next_try_ns": NOW + HOUR_NS, "era": 1}  # fmt: skip
        values = ", ".join(str(new.get(name, name)) for name in names)
        connection.execute(
            f"WITH RECURSIVE c(n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM c WHERE n < {count})"
            f" INSERT INTO outbox ({', '.join(names)})"
            f" SELECT {values} FROM c, outbox WHERE seq = 1"
        )
        connection.execute("DELETE FROM outbox WHERE seq = 1")


@pytest.fixture
def waiting(tmp_path: Path) -> Iterator[Backlog]:
    """The uplink's view of thousands of rows, all taken by the broker an instant ago."""
    with closing(Outbox(tmp_path, OutboxSettings(), StandingClock())) as outbox:
        outbox.emit(detection())
    Backlog(tmp_path).close()
    _multiply(tmp_path, MANY)
    with closing(Backlog(tmp_path)) as backlog:
        backlog.connection.execute("UPDATE outbox SET era = 2")
        yield backlog


def _steps(connection: sqlite3.Connection, act: Callable[[], object]) -> int:
    """Return how many steps of SQLite's machine something takes, in hundreds."""
    counted = [0]

    def count() -> int:
        counted[0] += 1
        return 0

    connection.set_progress_handler(count, 100)
    act()
    connection.set_progress_handler(None, 0)
    return counted[0]


def test_a_look_at_a_large_backlog_in_which_nothing_is_due_reads_next_to_nothing(
    waiting: Backlog,
) -> None:
    assert waiting.due_rows(20, NOW) == []
    assert _steps(waiting.connection, lambda: waiting.due_rows(20, NOW)) < 10
    assert _steps(waiting.connection, lambda: waiting.due_media(20, NOW)) < 10


@pytest.mark.parametrize("act", ["dashboard_is_back", "connection_lost"])
def test_to_make_a_large_backlog_due_changes_next_to_nothing(waiting: Backlog, act: str) -> None:
    changed = waiting.connection.total_changes
    getattr(waiting, act)()
    assert waiting.connection.total_changes - changed < 5
    due = [row.seq for row in waiting.due_rows(20, NOW)]
    assert due == (list(range(2, 22)) if act == "dashboard_is_back" else [])


def test_a_new_process_finds_a_large_backlog_due_and_changes_next_to_nothing(
    waiting: Backlog, tmp_path: Path
) -> None:
    waiting.close()
    log = tmp_path / f"{DATABASE_FILE}-wal"
    with closing(Backlog(tmp_path)) as again:
        assert log.stat().st_size < 100_000
        assert [row.seq for row in again.due_rows(3, 0)] == [2, 3, 4]


def test_of_what_is_overdue_alerts_go_first(waiting: Backlog) -> None:
    waiting.connection.execute("UPDATE outbox SET priority = 1 WHERE seq < 2000")
    waiting.connection.execute("UPDATE outbox SET next_try_ns = next_try_ns + seq")
    assert waiting.due_rows(5, NOW + HOUR_NS + 1) == []
    late = waiting.due_rows(5, NOW + 2 * HOUR_NS)
    assert [row.seq for row in late] == [2000, 2001, 2002, 2003, 2004]


def test_without_a_dashboard_an_alert_goes_once_and_the_rest_waits(tmp_path: Path) -> None:
    snapshot = Attachment(0, encode(ground(), "full", MediaSettings()))
    routine = detection(detection_id=new_id(1)).model_copy(update={"severity": "routine"})
    with closing(Outbox(tmp_path, OutboxSettings(), StandingClock())) as outbox:
        outbox.emit(routine, [snapshot])
        for n in (2, 3, 4):
            outbox.emit(detection(detection_id=new_id(n)))
    with closing(Backlog(tmp_path)) as backlog:
        backlog.mark_sent([2, 3], [])
        backlog.settle(2, acknowledged=True, reason=None, next_try_ns=NOW)
        backlog.settle(3, acknowledged=False, reason="quota", next_try_ns=NOW)
        backlog.dashboard_is_back()
        assert [row.seq for row in backlog.due_rows(9, NOW - 1, alerts_only=True)] == [4]
        assert [row.seq for row in backlog.due_rows(9, NOW, alerts_only=True)] == [3, 4]
        assert [row.seq for row in backlog.due_rows(9, NOW)] == [2, 3, 4, 1]


def test_an_outbox_of_older_software_is_opened_with_all_that_waits(tmp_path: Path) -> None:
    with closing(Outbox(tmp_path, OutboxSettings(), StandingClock())) as outbox:
        for n in (1, 2):
            outbox.emit(detection(detection_id=new_id(n)))
        for table in ("outbox", "media"):
            outbox.connection.execute(f"DROP INDEX {table}_waiting")
            outbox.connection.execute(f"ALTER TABLE {table} DROP COLUMN era")
        outbox.connection.execute("UPDATE outbox SET state = 2, next_try_ns = 10 WHERE seq = 1")
        outbox.connection.execute("UPDATE outbox SET next_try_ns = ? WHERE seq = 2", (NOW,))
    with closing(Backlog(tmp_path)) as backlog:
        assert [row.seq for row in backlog.due_rows(9, 0)] == [1, 2]


def test_a_detection_outwaits_another_process_that_holds_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgeclip_device.database.BUSY_S", 0.3)
    with (
        closing(Outbox(tmp_path, OutboxSettings(), StandingClock())) as outbox,
        closing(sqlite3.connect(tmp_path / DATABASE_FILE, check_same_thread=False)) as other,
    ):
        other.execute("BEGIN IMMEDIATE")
        release = threading.Timer(1.0, other.rollback)
        release.start()
        assert outbox.emit(detection()) == 1
        release.join()
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(OutboxError, match="locked"):
            outbox.emit(detection(rev=1))
