from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from edgeclip.contract.detection import Detection
from edgeclip.errors import OutboxError
from edgeclip_device.config import MediaSettings, OutboxSettings
from edgeclip_device.database import DATABASE_FILE
from edgeclip_device.media import encode
from edgeclip_device.outbox import Attachment, Outbox
from edgeclip_device.outbox_status import read_status
from support.clocks import NOON, StandingClock
from support.disks import fill
from support.drawn_clips import ground
from support.samples import detection

IDS = [f"018bcfe5-6800-79d7-baa4-{n:012x}" for n in range(50)]


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    """An empty outbox."""
    with closing(_open(tmp_path)) as opened:
        yield opened


def _open(state: Path, **caps: int) -> Outbox:
    return Outbox(state, OutboxSettings(**caps), StandingClock())


def _attachment(n: int, seed: int) -> Attachment:
    return Attachment(n, encode(ground(seed), "full", MediaSettings()))


def _with_media(n: int) -> tuple[Detection, list[Attachment]]:
    made = [_attachment(0, n)]
    return detection(detection_id=IDS[n]).model_copy(update={"media": [made[0].ref]}), made


def _rows(state: Path) -> list[Detection]:
    with closing(sqlite3.connect(state / DATABASE_FILE)) as connection:
        rows = connection.execute("SELECT payload FROM outbox ORDER BY seq").fetchall()
    return [Detection.model_validate_json(row[0]) for row in rows]


def _tables(state: Path) -> dict[str, int]:
    return {item.kind: item.count for item in read_status(state).dropped}


def test_a_detection_carries_the_outboxs_epoch_and_its_row_number(
    outbox: Outbox, tmp_path: Path
) -> None:
    assert [outbox.emit(detection(detection_id=item)) for item in IDS[:3]] == [1, 2, 3]
    rows = _rows(tmp_path)
    assert [row.seq for row in rows] == [1, 2, 3]
    assert {row.epoch for row in rows} == {outbox.epoch}


def test_numbers_go_on_after_rows_are_gone_so_that_gaps_show_loss(
    outbox: Outbox, tmp_path: Path
) -> None:
    outbox.emit(detection(detection_id=IDS[0]))
    with closing(sqlite3.connect(tmp_path / DATABASE_FILE)) as connection:
        connection.execute("DELETE FROM outbox")
        connection.commit()
    assert outbox.emit(detection(detection_id=IDS[1])) == 2


def test_epoch_and_rows_stay_over_a_restart(tmp_path: Path) -> None:
    with closing(_open(tmp_path)) as first:
        epoch = first.epoch
        first.emit(detection(detection_id=IDS[0]))
    with closing(_open(tmp_path)) as second:
        assert second.epoch == epoch
        assert second.emit(detection(detection_id=IDS[1])) == 2


def test_the_same_revision_cannot_be_written_twice(outbox: Outbox, tmp_path: Path) -> None:
    outbox.emit(detection())
    with pytest.raises(OutboxError, match="UNIQUE"):
        outbox.emit(detection())
    assert len(_rows(tmp_path)) == 1


def test_a_commit_is_synchronised_in_full(outbox: Outbox) -> None:
    assert outbox._connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert outbox._connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_media_lie_on_disk_before_the_row_that_names_them(outbox: Outbox, tmp_path: Path) -> None:
    news, made = _with_media(0)
    outbox.emit(news, made)
    path = tmp_path / "media" / f"{made[0].snapshot.sha256}.jpg"
    assert path.read_bytes() == made[0].snapshot.data
    assert outbox.waiting() == (1, 1)


def test_a_file_without_a_row_is_swept_at_the_next_start(tmp_path: Path) -> None:
    with closing(_open(tmp_path)) as first:
        first.emit(*_with_media(0))
    orphan = tmp_path / "media" / f"{'b' * 64}.jpg"
    orphan.write_bytes(b"killed before the commit")
    with closing(_open(tmp_path)) as second:
        assert not orphan.exists()
        assert second.waiting() == (1, 1)
    assert len(list((tmp_path / "media").iterdir())) == 1


def test_an_open_visit_is_remembered_until_its_end(outbox: Outbox) -> None:
    outbox.emit(detection(rev=0))
    outbox.emit(detection(rev=1).model_copy(update={"phase": "update"}))
    assert [item.rev for item in outbox.open_visits()] == [1]
    outbox.emit(detection(rev=2).model_copy(update={"phase": "end"}))
    assert outbox.open_visits() == []


def test_a_visit_that_cannot_be_read_does_not_stop_the_start(
    outbox: Outbox, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    outbox.emit(detection(detection_id=IDS[0]))
    with closing(sqlite3.connect(tmp_path / DATABASE_FILE)) as connection:
        connection.execute("INSERT INTO visits VALUES (?, ?)", (IDS[1], b'{"of": "long ago"}'))
        connection.commit()
    assert [item.detection_id for item in outbox.open_visits()] == [IDS[0]]
    assert f"visit {IDS[1]} cannot be closed" in caplog.text
    assert _tables(tmp_path) == {"journal": 1}


def test_the_anchor_is_the_last_trusted_time(tmp_path: Path) -> None:
    clock = StandingClock(trusted=False)
    with closing(Outbox(tmp_path, OutboxSettings(), clock)) as outbox:
        outbox.emit(detection(detection_id=IDS[0]))
        assert outbox.anchor() is None
        clock.trusted = True
        outbox.emit(detection(detection_id=IDS[1]))
        assert outbox.anchor() == NOON


def _overwritten(_data: bytes) -> bytes:
    return b"this is no database" * 100


def _with_a_page_of_rubbish(data: bytes) -> bytes:
    return data[:100] + b"\xff" * 4000 + data[4100:]


def _cut_short(data: bytes) -> bytes:
    return data[: len(data) // 2 + 7]


@pytest.mark.parametrize("damage", [_overwritten, _with_a_page_of_rubbish, _cut_short])
def test_a_damaged_outbox_is_set_aside_loudly_and_a_new_epoch_begins(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: Callable[[bytes], bytes]
) -> None:
    with closing(_open(tmp_path)) as first:
        epoch = first.epoch
        for item in IDS[1:20]:
            first.emit(detection(detection_id=item))
        first.emit(*_with_media(0))
    path = tmp_path / DATABASE_FILE
    path.write_bytes(damage(path.read_bytes()))
    with closing(_open(tmp_path)) as second:
        assert second.epoch != epoch
        assert second.emit(detection()) == 1
    assert len(list(tmp_path.glob(f"{DATABASE_FILE}.damaged-*Z"))) == 1
    assert len(list(tmp_path.glob("media.damaged-*Z/*.jpg"))) == 1
    assert "the outbox was damaged" in caplog.text
    assert _tables(tmp_path) == {"outbox_reset": 1}


def test_an_outbox_of_another_version_is_left_alone(tmp_path: Path) -> None:
    _open(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / DATABASE_FILE)) as connection:
        connection.execute("UPDATE meta SET value = '9' WHERE key = 'schema'")
        connection.commit()
    with pytest.raises(OutboxError, match="version 9, this software has 1"):
        _open(tmp_path)
    assert not list(tmp_path.glob("*damaged*"))


def test_a_state_folder_that_is_a_file_says_so(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    with pytest.raises(OutboxError, match="cannot be opened"):
        _open(tmp_path / "state")


def test_at_the_cap_of_rows_updates_go_first_then_routine_then_alerts(tmp_path: Path) -> None:
    routine = {"severity": "routine"}
    with closing(_open(tmp_path, max_rows=10)) as outbox:
        for n in range(4):
            outbox.emit(detection(detection_id=IDS[n]))
        for n in range(4, 8):
            outbox.emit(detection(detection_id=IDS[n]).model_copy(update=routine))
        for rev in (1, 2):
            ended = {"phase": "update"}
            outbox.emit(detection(rev=rev, detection_id=IDS[0]).model_copy(update=ended))
        for n in range(10, 22):
            outbox.emit(detection(detection_id=IDS[n]))
    kept = _rows(tmp_path)
    assert [row.detection_id for row in kept] == IDS[12:22]
    assert _tables(tmp_path) == {"update": 2, "routine": 4, "alert": 6}


def test_at_the_cap_of_bytes_the_oldest_media_go_and_the_detections_stay(tmp_path: Path) -> None:
    with closing(_open(tmp_path, max_mb=1)) as outbox:
        for n in range(50):
            big = [Attachment(0, encode(ground(n, (700, 700)), "full", MediaSettings()))]
            outbox.emit(detection(detection_id=IDS[n]), big)
        rows, media = outbox.waiting()
    assert rows == 50
    assert 0 < media < 50
    assert _tables(tmp_path) == {"media": 50 - media}
    assert len(list((tmp_path / "media").iterdir())) == media
    assert sum(path.stat().st_size for path in (tmp_path / "media").iterdir()) <= 1_000_000


def test_on_a_full_disk_media_are_given_up_and_counted_and_the_alert_is_kept(
    small_disk: Path,
) -> None:
    with closing(_open(small_disk)) as outbox:
        for n in range(40):
            outbox.emit(*_with_media(n))
        assert outbox.waiting()[0] == 40
    kept = _rows(small_disk)
    assert [row.detection_id for row in kept] == IDS[:40]
    assert _tables(small_disk)["media"] > 0
    with closing(_open(small_disk)) as again:
        assert again.waiting()[0] == 40


def test_a_disk_that_is_full_of_other_things_is_an_error_and_loses_nothing(
    small_disk: Path,
) -> None:
    with closing(_open(small_disk)) as outbox:
        outbox.emit(detection(detection_id=IDS[0]))
        fill(small_disk / "other")
        with pytest.raises(OutboxError, match="the outbox cannot be written"):
            _emit_many(outbox)
        committed = outbox.waiting()[0]
        (small_disk / "other").unlink()
        outbox.emit(detection(detection_id=IDS[49]))
        assert outbox.waiting()[0] == committed + 1


def _emit_many(outbox: Outbox) -> None:
    for item in IDS[1:49]:
        outbox.emit(detection(detection_id=item))


def test_a_folder_that_becomes_unwritable_is_an_error_that_names_it(
    outbox: Outbox, tmp_path: Path
) -> None:
    (tmp_path / "media").write_text("a file where the folder should be")
    with pytest.raises(OutboxError, match="media cannot be written"):
        outbox.emit(*_with_media(0))
