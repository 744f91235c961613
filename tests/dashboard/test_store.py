from __future__ import annotations

import contextlib
import hashlib
import itertools
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from dashboard.conftest import NOW
from edgeclip.contract.detection import Detection
from edgeclip.errors import StoreError
from edgeclip_dashboard.database import database_url, open_database
from edgeclip_dashboard.ledger import Ledger
from edgeclip_dashboard.media_files import MediaFiles
from edgeclip_dashboard.messages import DetectionMessage, MalformedMessage, MediaMessage
from edgeclip_dashboard.models import Malformed, Media, Revision
from edgeclip_dashboard.store import Store
from edgeclip_dashboard.writers import Limits
from support.dashboards import fresh_id, jpeg, media_ref, sample
from support.samples import EPOCH

if TYPE_CHECKING:
    from dashboard.conftest import Desk

OUTBOX = ("jetson-1", EPOCH)


def _media(of: Detection, data: bytes, n: int = 0, device_id: str = "jetson-1") -> MediaMessage:
    return MediaMessage(device_id, of.detection_id, n, data)


def test_a_detection_is_stored_and_its_row_named(desk: Desk) -> None:
    committed = desk.commit(sample(seq=7))
    assert committed.stored == [(OUTBOX, 7)]
    assert committed.duplicates == 0
    assert desk.only().class_name == "leopard"


def test_a_duplicate_is_named_again_and_stored_once(desk: Desk) -> None:
    detection = sample(seq=7)
    desk.commit(detection)
    committed = desk.commit(detection, detection)
    assert committed.stored == [(OUTBOX, 7), (OUTBOX, 7)]
    assert committed.duplicates == 2
    assert desk.only().rev == 0


@pytest.mark.parametrize("order", list(itertools.permutations([0, 1, 2])))
def test_the_highest_revision_wins_in_any_order_and_all_are_kept(
    desk: Desk, order: tuple[int, ...]
) -> None:
    first = sample(seq=1)
    phases = ("new", "update", "end")
    for rev in order:
        changes = {"rev": rev, "seq": rev + 1, "phase": phases[rev], "probability": 0.9 + rev / 100}
        desk.commit(first.model_copy(update=changes))
    view = desk.only()
    assert (view.rev, view.phase, view.probability) == (2, "end", 0.92)
    with Session(desk.engine) as session:
        assert session.scalar(select(func.count()).select_from(Revision)) == 3


def test_a_later_revision_keeps_the_place_on_the_page(desk: Desk) -> None:
    first = sample(seq=1)
    desk.commit(first)
    desk.commit(sample(seq=2))
    desk.commit(first.model_copy(update={"rev": 1, "seq": 3}))
    assert [view.rev for view in desk.picture().detections] == [0, 1]


def test_another_devices_detection_cannot_be_overwritten(desk: Desk) -> None:
    mine = sample(seq=1)
    desk.commit(mine)
    committed = desk.commit(mine.model_copy(update={"device_id": "thief", "rev": 9}))
    assert committed.refused == [
        (("thief", EPOCH), 1, "the detection_id belongs to another device")
    ]
    assert desk.only().device_id == "jetson-1"


def test_a_media_file_after_its_detection_is_named(desk: Desk) -> None:
    data = jpeg()
    detection = sample(media=[media_ref(data)])
    desk.commit(detection)
    committed = desk.commit(_media(detection, data))
    assert committed.media == [(OUTBOX, hashlib.sha256(data).hexdigest())]
    [media] = desk.only().media
    path = desk.files.find(media.sha256)
    assert path is not None
    assert path.read_bytes() == data


def test_a_media_file_before_its_detection_waits_for_it(desk: Desk) -> None:
    data = jpeg()
    detection = sample(media=[media_ref(data)])
    assert desk.commit(_media(detection, data)).media == []
    assert desk.picture().counts.media_pending == 1
    committed = desk.commit(detection)
    assert committed.media == [(OUTBOX, hashlib.sha256(data).hexdigest())]
    assert desk.picture().counts.media_pending == 0
    assert len(desk.only().media) == 1


def test_a_media_file_that_comes_twice_is_named_twice_and_stored_once(desk: Desk) -> None:
    data = jpeg()
    detection = sample(media=[media_ref(data)])
    desk.commit(detection, _media(detection, data))
    assert len(desk.commit(_media(detection, data)).media) == 1
    assert desk.picture().counts.media == 1


def test_a_media_file_of_another_hash_than_announced_is_refused(desk: Desk) -> None:
    detection = sample(media=[media_ref(jpeg(1))])
    committed = desk.commit(detection, _media(detection, jpeg(2)))
    assert committed.media == []
    assert committed.malformed == 1
    assert desk.only().media == ()
    with Session(desk.engine) as session:
        assert "announced was" in session.scalars(select(Malformed.reason)).one()


def test_a_later_revisions_media_replaces_the_earlier(desk: Desk) -> None:
    dim, bright = jpeg(1), jpeg(2)
    first = sample(seq=1, media=[media_ref(dim)])
    better = first.model_copy(update={"rev": 1, "seq": 2, "media": [media_ref(bright)]})
    desk.commit(first, _media(first, dim), better)
    assert desk.only().media[0].sha256 == media_ref(dim).sha256  # until the better one arrives
    desk.commit(_media(better, bright))
    assert [media.sha256 for media in desk.only().media] == [media_ref(bright).sha256]


def test_a_number_that_no_revision_announced_yet_waits(desk: Desk) -> None:
    detection = sample(media=[media_ref(jpeg(1))])
    desk.commit(detection)
    assert desk.commit(_media(detection, jpeg(2), n=1)).malformed == 0
    assert desk.picture().counts.media_pending == 1


def test_what_is_no_jpeg_is_refused(desk: Desk) -> None:
    detection = sample()
    assert desk.commit(detection, _media(detection, b"<svg onload=alert(1)>")).malformed == 1
    assert desk.picture().counts.media == 0


def test_media_for_another_devices_detection_are_refused(desk: Desk) -> None:
    data = jpeg()
    detection = sample(media=[media_ref(data)])
    committed = desk.commit(detection, _media(detection, data, device_id="thief"))
    assert committed.malformed == 1
    assert desk.only().media == ()


def test_pending_media_are_bounded(desk: Desk) -> None:
    desk.store = Store(desk.engine, desk.files, Limits(pending=2))
    late = sample(media=[media_ref(jpeg(9))])
    committed = desk.commit(*(_media(sample(), jpeg(seed)) for seed in range(3)))
    assert committed.malformed == 1
    assert desk.picture().counts.media == 2
    desk.commit(late, _media(late, jpeg(9)))  # an announced one is still taken
    assert desk.picture().counts.media == 3


def test_the_same_file_named_twice_in_one_detection_is_one(desk: Desk) -> None:
    data = jpeg()
    desk.commit(sample(media=[media_ref(data), media_ref(data), media_ref(data, n=1)]))
    assert desk.picture().counts.detections == 1


def test_two_detections_may_share_a_snapshot(desk: Desk) -> None:
    data = jpeg()
    one, other = sample(seq=1, media=[media_ref(data)]), sample(seq=2, media=[media_ref(data)])
    desk.commit(one, other, _media(one, data), _media(other, data))
    assert [len(view.media) for view in desk.picture().detections] == [1, 1]


def test_a_malformed_message_is_kept_raw_and_its_row_refused(desk: Desk) -> None:
    broken = MalformedMessage("topic", b"{", "not JSON", "jetson-1", (EPOCH, 3))
    committed = desk.commit(broken)
    assert committed.refused == [(OUTBOX, 3, "not JSON")]
    assert committed.stored == []
    assert Ledger.from_database(desk.engine).stored(OUTBOX).ranges() == (0, [])
    with Session(desk.engine) as session:
        row = session.scalars(select(Malformed)).one()
        assert (row.topic, row.payload, row.reason) == ("topic", b"{", "not JSON")


def test_a_row_that_was_refused_and_then_comes_right_is_stored(desk: Desk) -> None:
    desk.commit(MalformedMessage("t", b"{", "x", "jetson-1", (EPOCH, 1)))
    desk.commit(sample(seq=1))
    assert Ledger.from_database(desk.engine).stored(OUTBOX).ranges() == (1, [])


def test_raw_messages_are_bounded_in_number_and_size_but_all_counted(desk: Desk) -> None:
    desk.store = Store(desk.engine, desk.files, Limits(malformed=3))
    huge = MalformedMessage("t", b"x" * 1_000_000, "huge")
    desk.commit(*[huge] * 10)
    with Session(desk.engine) as session:
        sizes = [len(payload) for payload in session.scalars(select(Malformed.payload))]
    assert sizes == [65_536] * 3
    assert desk.picture().counts.malformed == 10


def test_what_the_database_cannot_hold_is_kept_raw_and_spoils_no_other(desk: Desk) -> None:
    good = sample(seq=1)
    bad = good.model_copy(update={"detection_id": fresh_id(), "rev": 2**80, "seq": 2})
    committed = desk.commit(good, bad)
    assert committed.stored == [(OUTBOX, 1)]
    assert [(outbox, seq) for outbox, seq, _ in committed.refused] == [(OUTBOX, 2)]
    assert desk.only().detection_id == good.detection_id


def test_a_store_that_cannot_be_written_says_so_and_stores_nothing(desk: Desk) -> None:
    with desk.engine.begin() as connection:
        connection.execute(text("DROP TABLE revisions"))
    with pytest.raises(StoreError, match="make room on the disk"):
        desk.commit(sample())
    assert desk.picture().counts.detections == 0


def test_a_damaged_database_refuses_no_detection_since_its_device_would_delete_it(
    tmp_path: Path,
) -> None:
    database = tmp_path / "d.sqlite"
    with open_database(database_url(str(database)), project="demo"):
        pass
    with contextlib.closing(sqlite3.connect(database)) as opened:
        opened.execute("PRAGMA journal_mode=DELETE")
        [page] = opened.execute(
            "SELECT rootpage FROM sqlite_master WHERE name='revisions'"
        ).fetchone()
        [size] = opened.execute("PRAGMA page_size").fetchone()
    with database.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)
    detection = sample(seq=1)
    with open_database(database_url(str(database)), project="demo") as engine:
        store = Store(engine, MediaFiles(tmp_path / "media", most_bytes=1_000_000))
        with pytest.raises(
            StoreError, match=r"cannot store \((?!\(sqlite3)[^\n]*\): make room on the disk"
        ):
            store.commit([DetectionMessage(detection, detection.to_json())], NOW)


def test_a_media_folder_that_is_gone_says_so(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "media").rmdir()
    (tmp_path / "media").write_text("in the way")
    data = jpeg()
    detection = sample(media=[media_ref(data)])
    desk.commit(detection)
    with pytest.raises(StoreError, match=r"cannot store \((File exists|Not a directory): .*media"):
        desk.commit(_media(detection, data))
    with Session(desk.engine) as session:
        assert session.scalars(select(Media)).all() == []


def test_the_payload_is_kept_as_it_came(desk: Desk) -> None:
    detection = sample()
    payload = detection.to_json().replace(b"{", b'{"from_a_newer_device": 1, ', 1)
    desk.commit(DetectionMessage(detection, payload))
    with Session(desk.engine) as session:
        assert session.scalars(select(Revision.payload)).one().encode() == payload


def test_rows_survive_a_restart(desk: Desk) -> None:
    desk.commit(*(sample(seq=seq) for seq in (1, 2, 5)))
    ledger = Ledger.from_database(desk.engine)
    assert ledger.stored(OUTBOX).ranges() == (2, [(5, 5)])
