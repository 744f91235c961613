"""The outbox's database under several connections and processes."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from edgeclip_device.database import open_database, read_meta, transaction, write_meta

_OPEN_AND_CLOSE = """
import sys
from pathlib import Path
from edgeclip_device.database import open_database, read_meta
connection = open_database(Path(sys.argv[1]))
print(read_meta(connection, "word"))
connection.close()
"""


def _another_process_reads(state: Path) -> str:
    words = [sys.executable, "-c", _OPEN_AND_CLOSE, str(state)]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


def test_a_process_that_ends_leaves_the_log_to_one_that_opened_the_outbox_twice(
    tmp_path: Path,
) -> None:
    with closing(open_database(tmp_path)) as connection:
        open_database(tmp_path).close()  # as the uplink does for each row of health
        with transaction(connection):
            write_meta(connection, "word", "first")
        assert _another_process_reads(tmp_path) == "first"
        assert (tmp_path / "outbox.sqlite-wal").exists()  # it was not the last to close
        with transaction(connection):
            write_meta(connection, "word", "second")
        assert _another_process_reads(tmp_path) == "second"
        with closing(open_database(tmp_path)) as third:
            assert read_meta(third, "word") == "second"


def _journal_mode(state: Path, start: threading.Barrier) -> str:
    start.wait()
    with closing(open_database(state)) as connection:
        return str(connection.execute("PRAGMA journal_mode").fetchone()[0])


def test_some_that_open_a_new_outbox_at_the_same_moment_all_have_it(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        for n in range(30):
            start = threading.Barrier(4)
            found = [pool.submit(_journal_mode, tmp_path / str(n), start) for _ in range(4)]
            assert [item.result() for item in found] == ["wal"] * 4
