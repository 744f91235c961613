from __future__ import annotations

import logging
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from _pytest.logging import LogCaptureFixture
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import (
    URL,
    Connection,
    Engine,
    TextClause,
    create_engine,
    func,
    inspect,
    select,
    text,
)
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session

from edgeclip.contract.detection import Detection, Place
from edgeclip.errors import StoreError
from edgeclip_dashboard import told_words
from edgeclip_dashboard.database import database_url, open_database, state_of
from edgeclip_dashboard.migrating import bring_up_to_date
from edgeclip_dashboard.models import SCHEMA_VERSION, DetectionRow, Meta, Revision
from edgeclip_dashboard.models_people import Verdict
from edgeclip_dashboard.schema import METADATA
from support.asked import asked_bank
from support.disks import mounted
from support.postgres import Postgres
from support.samples import AT, detection

RELEASED = Path(__file__).parent / "version_1"
TIMELESS = "018f3f5e-0000-7000-8000-000000000002"
RECEIVED_AT = datetime(2026, 5, 1, 12, tzinfo=timezone.utc)
NAIVE = RECEIVED_AT.replace(tzinfo=None)  # as both databases keep it
INSERT_FACT = text("INSERT INTO edgeclip_meta (key, value) VALUES (:key, :value)")


@pytest.fixture
def old(url: URL) -> URL:
    """A database as version 1 wrote it, with a detection of the night and one without a clock."""
    _fill_version_1(url)
    return url


def _fill_version_1(url: URL, project: str = "demo") -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        for statement in (RELEASED / f"{url.get_backend_name()}.sql").read_text().split(";\n"):
            if statement.strip():
                connection.exec_driver_sql(statement)
        facts = {"schema_version": "1", "project": project, "malformed": "4"}
        for key, value in facts.items():
            connection.execute(INSERT_FACT, {"key": key, "value": value})
        _insert(connection, detection(), _timeless())
    engine.dispose()


def _timeless() -> Detection:
    nothing = {"started_at": None, "best_at": None, "ended_at": None}
    what = detection(detection_id=TIMELESS)
    time = what.time.model_copy(update=nothing)
    location = Place(latitude=-1.25, longitude=35.5)
    return what.model_copy(update={"time": time, "gate": None, "location": location})


def _insert(connection: Connection, *detections: Detection) -> None:
    """Write detections as version 1 did, each with a revision that is shown and one that is not."""
    rows = [_columns(what) for what in detections]
    connection.execute(_insert_into("detections", rows[0]), rows)
    revisions = [
        {"detection_id": what.detection_id, "rev": rev, "payload": payload, "received_at": NAIVE}
        for what in detections
        for rev, payload in ((0, what.to_json().decode()), (1, "not shown"))
    ]
    connection.execute(_insert_into("revisions", revisions[0]), revisions)


def _columns(what: Detection) -> dict[str, Any]:
    same = "detection_id rev device_id epoch deployment_id camera_id phase severity class_name"
    same += " observation_type probability"
    best_at = what.time.best_at and what.time.best_at.replace(tzinfo=None)
    return {name: getattr(what, name) for name in same.split()} | {
        "is_test": False,
        "is_historical": False,
        "pack": "leopard@1",
        "best_at": best_at,
        "first_received_at": NAIVE,
        "received_at": NAIVE,
    }


def _insert_into(table: str, values: dict[str, Any]) -> TextClause:
    names, holders = ", ".join(values), ", ".join(f":{name}" for name in values)
    return text(f"INSERT INTO {table} ({names}) VALUES ({holders})")


@contextmanager
def _opened(url: URL) -> Iterator[Engine]:
    with open_database(url, project="demo") as engine:
        yield engine


def _differences(engine: Engine) -> list[Any]:
    with engine.connect() as connection:
        found: list[Any] = compare_metadata(MigrationContext.configure(connection), METADATA)
    return found


def test_a_new_database_is_what_the_models_say(url: URL) -> None:
    with _opened(url) as engine:
        assert _differences(engine) == []


def test_a_database_of_version_1_becomes_what_the_models_say(old: URL) -> None:
    with _opened(old) as engine:
        assert _differences(engine) == []
        with Session(engine) as session:
            facts = {row.key: row.value for row in session.scalars(select(Meta))}
    assert facts == {"schema_version": str(SCHEMA_VERSION), "project": "demo", "malformed": "4"}


def test_what_was_stored_is_kept_and_told_by_its_revisions(old: URL) -> None:
    with _opened(old) as engine, Session(engine) as session:
        night = session.get_one(DetectionRow, detection().detection_id)
        timeless = session.get_one(DetectionRow, TIMELESS)
        assert len(session.scalars(select(Revision)).all()) == 4
        assert (night.occurred_at, night.light, night.threshold) == (AT, "ir", 0.6)
        assert (night.boot_id, night.clock) == (detection().boot_id, "trusted")
        assert (night.class_name, night.probability) == ("leopard", 0.93)
        assert (timeless.occurred_at, timeless.light) == (RECEIVED_AT, None)
        assert (timeless.latitude, timeless.longitude) == (-1.25, 35.5)


def test_many_detections_are_filled_in_portions(old: URL) -> None:
    engine = create_engine(old)
    ids = [f"018f3f5e-0000-7000-8000-{number:012}" for number in range(10, 1515)]
    with engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM detections")
        connection.exec_driver_sql("DELETE FROM revisions")
        _insert(connection, *(detection(detection_id=detection_id) for detection_id in ids))
    engine.dispose()
    with _opened(old) as opened, Session(opened) as session:
        dark = select(func.count()).where(DetectionRow.light == "ir")
        assert session.scalar(dark) == len(ids)


def test_what_newer_devices_have_said_in_words_is_shown_after_the_update(old: URL) -> None:
    told = asked_bank().told(np.array([0, 1, 0, 1], np.float32), "leopard")
    said = detection(detection_id="018f3f5e-0000-7000-8000-000000000007")
    engine = create_engine(old)
    with engine.begin() as connection:
        _insert(connection, said.model_copy(update={"attributes": told}))
    engine.dispose()
    with _opened(old) as opened, Session(opened) as session:
        row = session.get_one(DetectionRow, said.detection_id)
        assert told_words.read(row.attributes) == told
        assert session.get_one(DetectionRow, TIMELESS).attributes is None


def test_a_database_is_opened_again_without_a_change(old: URL, caplog: LogCaptureFixture) -> None:
    with _opened(old):
        pass
    with caplog.at_level(logging.INFO, "edgeclip_dashboard"), _opened(old):
        assert caplog.messages == []


def test_a_verdict_is_neither_changed_nor_deleted(url: URL) -> None:
    with _opened(url) as engine:
        with Session(engine) as session, session.begin():
            session.add(Verdict(detection_id=TIMELESS, rev=0, verdict="right", note="",
                                account_name="ann", at=AT))  # fmt: skip
        for statement in ("UPDATE verdicts SET verdict = 'wrong'", "DELETE FROM verdicts"):
            with (
                pytest.raises(DatabaseError, match="a verdict is never changed or deleted"),
                engine.begin() as connection,
            ):
                connection.exec_driver_sql(statement)
        with Session(engine) as session:
            assert session.scalars(select(Verdict.verdict)).all() == ["right"]


def test_a_change_that_fails_leaves_the_database_as_it_was(old: URL) -> None:
    engine = create_engine(old)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE rules (id INTEGER)")  # made late in version 2
    with pytest.raises(StoreError, match="rules"), _opened(old):
        pass
    names = {column["name"] for column in inspect(engine).get_columns("detections")}
    tables = set(inspect(engine).get_table_names())
    engine.dispose()
    assert "occurred_at" not in names
    assert not tables & {"alembic_version", "accounts", "deployments"}


def test_another_projects_old_database_is_refused_before_it_is_changed(url: URL) -> None:
    _fill_version_1(url, "north")
    with pytest.raises(StoreError, match="holds project north, not demo"), _opened(url):
        pass
    assert state_of(url, project="north").version == 1


@pytest.mark.postgres
def test_instances_that_start_together_migrate_once(postgres: Postgres) -> None:
    url = database_url(postgres.new_database())
    _fill_version_1(url)
    together = threading.Barrier(3)

    def start(_: int) -> list[Any]:
        engine = create_engine(url)
        together.wait()
        bring_up_to_date(engine, "here", "demo")
        found = _differences(engine)
        engine.dispose()
        return found

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(start, range(3))) == [[], [], []]


def test_a_file_is_copied_before_it_is_changed(tmp_path: Path) -> None:
    url = database_url(str(tmp_path / "d.sqlite"))
    _fill_version_1(url)
    (tmp_path / "d.sqlite").chmod(0o640)
    with _opened(url):
        pass
    copy = tmp_path / "d.sqlite.before-0004"
    with closing(sqlite3.connect(copy)) as connection:
        facts = connection.execute("SELECT value FROM edgeclip_meta ORDER BY key").fetchall()
        [count] = connection.execute("SELECT COUNT(*) FROM detections").fetchone()
    assert ([value for [value] in facts], count) == (["4", "demo", "1"], 2)
    assert copy.stat().st_mode & 0o777 == 0o640
    assert not list(tmp_path.glob("*.part"))


def test_a_copy_can_be_put_back_and_migrated_again(tmp_path: Path) -> None:
    url = database_url(str(tmp_path / "d.sqlite"))
    _fill_version_1(url)
    with _opened(url):
        pass
    (tmp_path / "d.sqlite.before-0004").replace(tmp_path / "d.sqlite")
    with _opened(url) as engine:
        assert _differences(engine) == []


def test_without_room_for_a_copy_nothing_is_changed(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "8m") as disk:
        url = database_url(str(disk / "d.sqlite"))
        _fill_version_1(url)
        with pytest.raises(StoreError, match=r"MB are free.*need.*make room"), _opened(url):
            pass
        assert state_of(url, project="demo").version == 1
        assert not list(disk.glob("*before*"))


def _migrate(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edgeclip_dashboard.cli", "migrate", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_migrate_says_what_is_due_and_does_it(tmp_path: Path) -> None:
    path = tmp_path / "d.sqlite"
    _fill_version_1(database_url(str(path)))
    place = ("--database", str(path))
    due = f"{path}: schema version 1 to 4, after a copy at {path}.before-0004"
    assert _migrate("--dry-run", *place).stdout == f"{due}; nothing was changed\n"
    assert not Path(f"{path}.before-0004").exists()
    assert _migrate(*place).stdout == f"{due}; done\n"
    assert _migrate(*place).stdout == f"{path}: schema version 4, nothing to do; done\n"


def test_a_dry_run_makes_no_file(tmp_path: Path) -> None:
    done = _migrate("--dry-run", "--database", str(tmp_path / "d.sqlite"))
    assert "new, to be made with schema version 4; nothing was changed" in done.stdout
    assert list(tmp_path.iterdir()) == []
