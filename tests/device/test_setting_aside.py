"""What counts as a damaged outbox, and what does not."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from edgeclip.contract.detection import new_id
from edgeclip_device.config import OutboxSettings
from edgeclip_device.database import DATABASE_FILE
from edgeclip_device.outbox import Outbox
from edgeclip_device.setting_aside import set_aside_if_damaged
from support.clocks import StandingClock
from support.disks import fill, mounted
from support.samples import detection

# SQLite cannot make its shared memory of 32 kB, and says "disk I/O error"
ON_A_DISK_THAT_FAILS = """
import resource, sys
from pathlib import Path
from edgeclip.errors import OutboxError
from edgeclip_device.setting_aside import set_aside_if_damaged
resource.setrlimit(resource.RLIMIT_FSIZE, (8000, 8000))
try:
    print(set_aside_if_damaged(Path(sys.argv[1])))
except OutboxError as error:
    print("error:", error)
"""


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state folder with three detections."""
    with closing(Outbox(tmp_path / "state", OutboxSettings(), StandingClock())) as outbox:
        for n in range(3):
            outbox.emit(detection(detection_id=new_id(n)))
    return tmp_path / "state"


def _start(state: Path) -> str:
    command = [sys.executable, "-c", ON_A_DISK_THAT_FAILS, str(state)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_a_disk_that_fails_at_three_starts_in_a_row_costs_the_outbox(state: Path) -> None:
    assert "disk I/O error" in _start(state)
    assert "error:" in _start(state)
    assert set_aside_if_damaged(state) is None, "a start at which it can be read"
    assert "error:" in _start(state)
    assert "error:" in _start(state)
    assert (state / DATABASE_FILE).exists()
    aside = _start(state)
    assert aside.startswith(str(state / f"{DATABASE_FILE}.damaged-"))
    assert not (state / DATABASE_FILE).exists()
    with closing(Outbox(state, OutboxSettings(), StandingClock())) as fresh:
        assert fresh.emit(detection()) == 1


def test_a_full_disk_costs_no_outbox(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "2m") as disk:
        with closing(Outbox(disk, OutboxSettings(), StandingClock())) as outbox:
            outbox.emit(detection())
        fill(disk / "other")
        for _ in range(5):
            assert "error:" in _start(disk)
        (disk / "other").unlink()
        with closing(Outbox(disk, OutboxSettings(), StandingClock())) as again:
            assert again.waiting() == (1, 0)


def test_an_index_that_does_not_fit_its_table_is_damage(state: Path) -> None:
    with closing(sqlite3.connect(state / DATABASE_FILE, isolation_level=None)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        where = "name = 'outbox_next'"
        row = connection.execute(f"SELECT * FROM sqlite_master WHERE {where}").fetchone()
        connection.execute(f"DELETE FROM sqlite_master WHERE {where}")
    with closing(sqlite3.connect(state / DATABASE_FILE, isolation_level=None)) as connection:
        connection.execute("DELETE FROM outbox WHERE seq = 2")
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("INSERT INTO sqlite_master VALUES (?, ?, ?, ?, ?)", row)
    with closing(sqlite3.connect(state / DATABASE_FILE)) as connection:
        assert connection.execute("PRAGMA quick_check(1)").fetchone() == ("ok",)
    assert set_aside_if_damaged(state) is not None
    assert set_aside_if_damaged(state) is None
