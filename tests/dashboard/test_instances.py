from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from dashboard.conftest import NOW
from edgeclip.contract.detection import Detection
from edgeclip.contract.reports import Status
from edgeclip.errors import ConfigError, StoreError
from edgeclip_dashboard.config import DashboardSettings, load_settings
from edgeclip_dashboard.database import database_url, open_database
from edgeclip_dashboard.instances import place_of
from edgeclip_dashboard.ledger import Ledger
from edgeclip_dashboard.media_files import MediaFiles
from edgeclip_dashboard.messages import DetectionMessage, MalformedMessage, StatusMessage
from edgeclip_dashboard.models import DetectionRow, Device, Malformed, Meta, OutboxRow, Revision
from edgeclip_dashboard.neighbours import Neighbours
from edgeclip_dashboard.store import Store
from support.dashboards import (
    eventually,
    fresh_id,
    sample,
)
from support.postgres import Postgres


def _settings(
    url: str, folder: Path, name: str, group: str | None = "rangers"
) -> DashboardSettings:
    tables: dict[str, Any] = {
        "dashboard_id": name,
        "broker": {"shared_group": group} if group else {},
        "store": {"database": url, "media": str(folder / "media")},
    }
    return load_settings(None, tables)


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        pytest.param({"broker": {"protocol": "3.1.1"}}, "needs protocol 5", id="protocol"),
        pytest.param({"store": {"database": "d.sqlite"}}, "needs .* on PostgreSQL", id="sqlite"),
    ],
)
def test_a_group_needs_mqtt_5_and_postgresql(tables: dict[str, Any], message: str) -> None:
    tables.setdefault("store", {"database": "postgresql+psycopg://ranger@host/d"})
    tables["broker"] = tables.get("broker", {}) | {"shared_group": "rangers"}
    with pytest.raises(ConfigError, match=message):
        load_settings(None, tables)


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("second", "group", "message"),
    [
        pytest.param("a", "rangers", "another instance runs as a", id="name"),
        pytest.param("b", None, "let all instances share", id="alone"),
    ],
)
def test_an_instance_that_does_not_fit_is_refused(
    postgres: Postgres,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    second: str,
    group: str | None,
    message: str,
) -> None:
    monkeypatch.setattr("edgeclip_dashboard.instances._PATIENCE_S", 0.1)
    url = postgres.new_database()
    (tmp_path / "media").mkdir()
    with (
        open_database(database_url(url), project="demo") as engine,
        place_of(engine, _settings(url, tmp_path, "a")),
        pytest.raises(StoreError, match=message),
        place_of(engine, _settings(url, tmp_path, second, group)),
    ):
        pass


@pytest.mark.postgres
def test_instances_with_other_folders_of_media_are_refused(
    postgres: Postgres, tmp_path: Path
) -> None:
    url = postgres.new_database()
    for name in ("here", "there"):
        (tmp_path / name / "media").mkdir(parents=True)
    with open_database(database_url(url), project="demo") as engine:
        with place_of(engine, _settings(url, tmp_path / "here", "a")):
            pass
        with (
            pytest.raises(StoreError, match="not the media folder of the other instances"),
            place_of(engine, _settings(url, tmp_path / "there", "b")),
        ):
            pass
        with place_of(engine, _settings(url, tmp_path / "here", "b")):
            pass


@pytest.fixture
def shared(postgres: Postgres) -> Iterator[Engine]:
    """A fresh database on a server."""
    with open_database(database_url(postgres.new_database()), project="demo") as engine:
        yield engine


def _store(engine: Engine, folder: Path, name: str) -> Store:
    return Store(engine, MediaFiles(folder / "media", most_bytes=1_000_000), name=name)


def _message(what: Detection) -> DetectionMessage:
    return DetectionMessage(what, what.to_json())


@pytest.mark.postgres
def test_two_instances_that_store_the_same_at_once_lose_and_double_nothing(
    shared: Engine, tmp_path: Path
) -> None:
    """Each revision goes to one of them or to both, in opposite orders."""
    ids = [fresh_id() for _ in range(30)]
    revisions = [
        _message(sample(detection_id=id_, rev=rev, seq=3 * n + rev + 1))
        for n, id_ in enumerate(ids)
        for rev in range(3)
    ]
    together = threading.Barrier(2)

    def store(name: str, messages: list[DetectionMessage]) -> int:
        own = _store(shared, tmp_path, name)
        together.wait()
        new = 0
        for first in range(0, len(messages), 9):
            committed = own.commit(messages[first : first + 9], NOW)
            assert committed.malformed == 0
            new += len(committed.stored) - committed.duplicates
        return new

    with ThreadPoolExecutor(2) as pool:
        new = list(pool.map(store, "ab", (revisions, revisions[::-1])))
    with Session(shared) as session:
        assert sum(new) == len(session.scalars(select(Revision)).all()) == len(revisions)
        assert {row.rev for row in session.scalars(select(DetectionRow))} == {2}
        assert len(session.scalars(select(OutboxRow)).all()) == len(revisions)
        assert session.scalars(select(Malformed)).all() == []


@pytest.mark.postgres
def test_malformed_messages_of_two_instances_are_all_counted(
    shared: Engine, tmp_path: Path
) -> None:
    def keep(name: str) -> None:
        own = _store(shared, tmp_path, name)
        for _ in range(20):
            own.commit([MalformedMessage("up/x", b"?", "no JSON", "jetson-1")], NOW)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(keep, "ab"))
    with Session(shared) as session:
        assert session.get_one(Meta, "malformed").value == "40"


@pytest.mark.postgres
def test_the_end_of_a_connection_stands_whoever_hears_it_first(
    shared: Engine, tmp_path: Path
) -> None:
    online = StatusMessage("jetson-1", Status(state="online", since=NOW, bdseq=4))
    offline = StatusMessage("jetson-1", Status(state="offline", since=None, bdseq=4))
    first, second = (_store(shared, tmp_path, name) for name in "ab")
    first.commit([online, offline], NOW)
    second.commit([online], NOW)
    with Session(shared) as session:
        assert session.get_one(Device, "jetson-1").state == "offline"


@pytest.mark.postgres
def test_an_instance_hears_what_another_stored_and_refused(shared: Engine, tmp_path: Path) -> None:
    before = sample(seq=1)
    own, other = (_store(shared, tmp_path, name) for name in "ab")
    other.commit([_message(before)], NOW)
    ledger, heard = Ledger(), threading.Event()
    neighbours = Neighbours(shared, "a", ledger, heard.set)
    neighbours.start()
    outbox = (before.device_id, before.epoch)
    eventually(lambda: ledger.stored(outbox).ranges() == (1, []), what="it knows what was there")
    heard.clear()
    many = [_message(sample(seq=seq)) for seq in range(2, 150)]
    other.commit(many, NOW)
    refused = MalformedMessage("up/x", b"?", "bad", outbox[0], (outbox[1], 152))
    other.commit([refused], NOW)
    eventually(lambda: ledger.stored(outbox).ranges() == (149, []), what="it knows what is new")
    eventually(lambda: [gap.first for gap in ledger.gaps()] == [150], what="refused is no gap")
    assert heard.is_set()
    own.commit([_message(sample(seq=150))], NOW)
    neighbours.stop()
    assert ledger.stored(outbox).ranges() == (149, [])  # its own it notes itself
