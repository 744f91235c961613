from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.orm import Session

from dashboard.conftest import NOW
from edgeclip_dashboard import deeds
from edgeclip_dashboard.media_files import MediaFiles
from edgeclip_dashboard.messages import DetectionMessage, MediaMessage
from edgeclip_dashboard.models_people import Deed
from edgeclip_dashboard.store import Store
from edgeclip_dashboard.write_turns import WriteTurns
from support.dashboards import eventually, jpeg, media_ref, sample

if TYPE_CHECKING:
    from dashboard.conftest import Desk


class LookingFiles(MediaFiles):
    """Looks, whenever it writes a file, whether somebody else could write to the database."""

    def __init__(self, folder: Path, database: str) -> None:
        super().__init__(folder, most_bytes=1_000_000)
        self._database = database
        self.written = 0

    def write(self, data: bytes, sha256: str) -> None:
        if self.find(sha256) is None:
            with contextlib.closing(sqlite3.connect(self._database, timeout=0)) as other:
                other.execute("BEGIN IMMEDIATE")
            self.written += 1
        super().write(data, sha256)


def _in_thread(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def test_who_waits_comes_before_who_asks_again() -> None:
    turns, order = WriteTurns(), ["receiver"]
    assert turns.take()

    def person() -> None:
        turns.take()
        order.append("person")
        turns.give()

    waiting = _in_thread(person)
    eventually(lambda: turns.waiting == 1, what="somebody waits")
    turns.give()
    turns.take()
    order.append("receiver")
    waiting.join(5)
    assert order == ["receiver", "person", "receiver"]


def test_who_has_waited_long_enough_does_not_keep_the_place() -> None:
    turns = WriteTurns()
    assert turns.take()
    assert not turns.take(patience_s=0.01)
    turns.give()
    assert turns.take(patience_s=0.01)


def test_a_deed_is_written_between_two_batches_and_not_after_them(desk: Desk) -> None:
    def write(session: Session, what: str) -> None:
        deeds.note(session, deeds.COMMAND_LINE, what, "", NOW)
        session.flush()

    def person() -> None:
        with Session(desk.engine) as session, session.begin():
            write(session, "verdict")

    with Session(desk.engine) as session, session.begin():
        write(session, "batch 1")
        waiting = _in_thread(person)
        waiting.join(0.3)
        assert waiting.is_alive()
    with Session(desk.engine) as session, session.begin():
        write(session, "batch 2")
    waiting.join(5)
    with Session(desk.engine) as session:
        written = session.scalars(select(Deed.deed).order_by(Deed.id)).all()
    assert written == ["batch 1", "verdict", "batch 2"]


def test_a_transaction_that_fails_gives_its_turn_back(desk: Desk) -> None:
    with contextlib.suppress(LookupError), Session(desk.engine) as session, session.begin():
        deeds.note(session, deeds.COMMAND_LINE, "lost", "", NOW)
        session.flush()
        raise LookupError
    waiting = _in_thread(lambda: desk.commit(sample()))
    waiting.join(5)
    assert not waiting.is_alive()
    assert desk.picture().counts.detections == 1


def test_nobody_waits_while_snapshots_are_written_to_the_disk(desk: Desk, tmp_path: Path) -> None:
    files = LookingFiles(tmp_path / "media", str(tmp_path / "d.sqlite"))
    store = Store(desk.engine, files)
    messages: list[DetectionMessage | MediaMessage] = []
    for seq in (1, 2, 3):
        data = jpeg(seq)
        detection = sample(seq=seq, media=[media_ref(data)])
        messages.append(DetectionMessage(detection, detection.to_json()))
        messages.append(MediaMessage("jetson-1", detection.detection_id, 0, data))
    committed = store.commit(messages, NOW)
    assert len(committed.media) == 3
    assert files.written == 3
