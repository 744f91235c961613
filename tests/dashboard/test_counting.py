from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy.orm import Session

from edgeclip_dashboard.counting import Counter
from edgeclip_dashboard.database import database_url, open_database
from edgeclip_dashboard.distinct import values_of
from edgeclip_dashboard.ledger import Ledger
from edgeclip_dashboard.media_files import MediaFiles
from edgeclip_dashboard.messages import DetectionMessage
from edgeclip_dashboard.models import DetectionRow
from edgeclip_dashboard.store import Store
from support.dashboards import sample
from support.postgres import Postgres
from support.samples import AT as NOW

if TYPE_CHECKING:
    from dashboard.conftest import Desk


class _Ticking:
    """A clock on which each look takes a second."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


def test_what_takes_long_to_count_is_counted_less_often(desk: Desk) -> None:
    clock = _Ticking()
    counter = Counter(clock)
    with Session(desk.engine) as session:
        desk.commit(sample(seq=1))
        assert counter.read(session).detections == 1
    desk.commit(sample(seq=2))
    with Session(desk.engine) as session:
        assert counter.read(session).detections == 1
        clock.now += 20
        assert counter.read(session).detections == 2


def test_few_rows_are_counted_at_each_look(desk: Desk) -> None:
    counter = Counter(lambda: 7.0)
    for seq in (1, 2):
        desk.commit(sample(seq=seq))
        with Session(desk.engine) as session:
            assert counter.read(session).detections == seq


def test_each_value_of_a_column_is_found_once_without_null(desk: Desk) -> None:
    names = ("impala", "leopard", "impala", None, "hyena", "leopard")
    for seq, name in enumerate(names, 1):
        changes = {} if name else {"probability": None, "failure": "camera_failed"}
        desk.commit(sample(seq=seq, class_name=name, **changes))
    with Session(desk.engine) as session:
        assert values_of(session, DetectionRow.class_name) == ["hyena", "impala", "leopard"]
        assert values_of(session, DetectionRow.failure) == ["camera_failed"]


def test_no_rows_have_no_values(desk: Desk) -> None:
    with Session(desk.engine) as session:
        assert values_of(session, DetectionRow.class_name) == []


@pytest.mark.postgres
def test_postgresql_finds_the_same(postgres: Postgres, tmp_path: Path) -> None:
    with open_database(database_url(postgres.new_database()), project="demo") as engine:
        store = Store(engine, MediaFiles(tmp_path / "media", most_bytes=1000))
        seen = [sample(seq=seq, class_name=name) for seq, name in enumerate(("b", "a", "b"), 1)]
        store.commit([DetectionMessage(what, what.to_json()) for what in seen], NOW)
        outbox = (seen[0].device_id, seen[0].epoch)
        assert Ledger.from_database(engine).stored(outbox).ranges() == (3, [])
        with Session(engine) as session:
            assert values_of(session, DetectionRow.class_name) == ["a", "b"]
            assert Counter().read(session).detections == 3
