from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable

from edgeclip.errors import ConfigError, StoreError
from edgeclip_dashboard.database import database_url, join_database, open_database
from edgeclip_dashboard.models import SCHEMA_VERSION, Base


def _open_once(path: Path, project: str = "demo") -> None:
    with open_database(database_url(str(path)), project=project):
        pass


def test_an_empty_place_becomes_a_database_that_survives_a_power_cut(tmp_path: Path) -> None:
    url = database_url(str(tmp_path / "new/detections.sqlite"))
    with open_database(url, project="demo") as engine, engine.connect() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(text("PRAGMA synchronous")).scalar() == 2  # FULL
        tables = set(connection.execute(text("SELECT name FROM sqlite_master")).scalars())
    assert {"detections", "revisions", "media", "devices", "outbox_rows"} <= tables


def test_a_database_opens_again(tmp_path: Path) -> None:
    _open_once(tmp_path / "d.sqlite")
    url = database_url(str(tmp_path / "d.sqlite"))
    with open_database(url, project="demo") as engine, engine.connect() as connection:
        rows = connection.execute(text("SELECT key, value FROM edgeclip_meta")).all()
    assert ("project", "demo") in [tuple(row) for row in rows]


@pytest.mark.parametrize(
    ("version", "remedy"),
    [
        (str(SCHEMA_VERSION + 1), "update edgeclip"),
        ("0", "start with another --database"),
        ("x", "start with"),
    ],
)
def test_another_schema_version_says_what_to_do(tmp_path: Path, version: str, remedy: str) -> None:
    path = tmp_path / "d.sqlite"
    _open_once(path)
    with sqlite3.connect(path) as connection:
        connection.execute(
            "UPDATE edgeclip_meta SET value = ? WHERE key = 'schema_version'", (version,)
        )
    connection.close()
    with pytest.raises(StoreError, match=f"schema version {version}.*{remedy}"):
        _open_once(path)


def test_a_foreign_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE birds (name TEXT)")
    connection.close()
    with pytest.raises(StoreError, match="not an edgeclip database"):
        _open_once(path)


def test_another_projects_database_is_refused(tmp_path: Path) -> None:
    _open_once(tmp_path / "d.sqlite", "north")
    with pytest.raises(StoreError, match="holds project north, not south"):
        _open_once(tmp_path / "d.sqlite", "south")


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.sqlite"
    path.write_text("these are notes, and long enough to be no SQLite header at all\n" * 20)
    with pytest.raises(StoreError, match="cannot be opened"):
        _open_once(path)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        _open_once(tmp_path / "file/d.sqlite")


def test_two_dashboards_on_one_database_are_refused(tmp_path: Path) -> None:
    url = database_url(str(tmp_path / "d.sqlite"))
    with (
        open_database(url, project="demo"),
        pytest.raises(StoreError, match="in use by another edgeclip-dashboard"),
        open_database(url, project="demo"),
    ):
        pass


def test_a_password_in_a_database_url_is_refused_and_never_shown() -> None:
    with pytest.raises(ConfigError, match="holds a password") as caught:
        database_url("postgresql+psycopg://ranger:s3cret@host/edgeclip")
    assert "s3cret" not in str(caught.value)


def test_a_database_password_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGECLIP_DASHBOARD_DATABASE_PASSWORD", "s3cret")
    url = database_url("postgresql+psycopg://ranger@host/edgeclip")
    assert url.password == "s3cret"
    assert "s3cret" not in repr(url)


def test_a_url_of_an_unknown_kind_is_refused() -> None:
    url = database_url("oracel://host/x")
    with pytest.raises(StoreError, match="no driver"), open_database(url, project="demo"):
        pass


def test_every_table_can_be_made_in_postgresql() -> None:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy has no type here
    for table in Base.metadata.sorted_tables:
        assert f"CREATE TABLE {table.name}" in str(CreateTable(table).compile(dialect=dialect))


def test_a_command_beside_a_busy_dashboard_waits_longer_than_that(tmp_path: Path) -> None:
    url = database_url(str(tmp_path / "d.sqlite"))

    def patience(engine: Engine) -> int:
        with engine.connect() as connection:
            found: int = connection.exec_driver_sql("PRAGMA busy_timeout").scalar_one()
            return found

    with (
        open_database(url, project="demo") as serving,
        join_database(url, project="demo") as beside,
    ):
        assert patience(beside) > patience(serving)
