"""Open the dashboard's database: address, pragmas, schema version, one dashboard at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event, insert, inspect, make_url, select
from sqlalchemy.exc import ArgumentError, DatabaseError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import flag_modified

from edgeclip.contract.locks import take_lock
from edgeclip.errors import ConfigError, StoreError
from edgeclip_dashboard.config import DATABASE_PASSWORD_VARIABLE
from edgeclip_dashboard.models import SCHEMA_VERSION, Meta
from edgeclip_dashboard.schema import METADATA


def database_url(text: str) -> URL:
    """Return the SQLAlchemy address of a SQLite file or of a database URL.

    Args:
        text: A path, or a URL without a password: that comes from the environment.

    Raises:
        ConfigError: Not a URL that SQLAlchemy knows, or one that holds a password.
    """
    if "://" not in text:
        return URL.create("sqlite", database=str(Path(text).expanduser()))
    try:
        url = make_url(text)
    except (ArgumentError, ValueError) as error:
        raise ConfigError(
            "[store].database is no database URL: write DIALECT+DRIVER://USER@HOST/NAME"
        ) from error
    if url.password is not None:
        raise ConfigError(
            f"[store].database holds a password: leave it out and set {DATABASE_PASSWORD_VARIABLE}"
        )
    password = os.environ.get(DATABASE_PASSWORD_VARIABLE)
    return url.set(password=password) if password else url


@contextmanager
def open_database(url: URL, *, project: str) -> Iterator[Engine]:
    """Yield an engine for a database of our schema, made if the database is empty.

    Args:
        url: What `database_url` gave.
        project: Whose detections it holds; a database belongs to one project.

    Raises:
        StoreError: It cannot be opened or written, is in use by another dashboard, is not an
            edgeclip database, or one of another schema version or project.
    """
    with _only_one(url):
        engine = _engine(url)
        try:
            _prepare(engine, url, project)
            yield engine
        finally:
            engine.dispose()


@contextmanager
def _only_one(url: URL) -> Iterator[None]:
    """Hold a lock file beside a SQLite database: two writers would send rival receipts."""
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        yield
        return
    path = Path(f"{url.database}.lock")
    try:
        descriptor = take_lock(path)
    except BlockingIOError as error:
        raise StoreError(
            f"{url.database} is in use by another edgeclip-dashboard: stop that one first"
        ) from error
    except OSError as error:
        raise StoreError(
            f"{path.parent}: cannot be written ({error.strerror}): choose another --database"
        ) from error
    try:
        yield
    finally:
        os.close(descriptor)


def _engine(url: URL) -> Engine:
    try:
        engine = create_engine(url)
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        raise StoreError(f"no driver for {url.drivername}: pip install it ({error})") from error
    if url.get_backend_name() == "sqlite":
        event.listen(engine, "connect", _set_pragmas)
    return engine


def _set_pragmas(connection: Any, record: object) -> None:
    del record
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=5000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _prepare(engine: Engine, url: URL, project: str) -> None:
    where = url.render_as_string(hide_password=True).removeprefix("sqlite:///")
    try:
        tables = set(inspect(engine).get_table_names())
        if not tables:
            _create(engine, project)
        elif Meta.__tablename__ not in tables:
            raise StoreError(f"{where} is not an edgeclip database: choose another --database")
        _check(engine, where, project)
    except DatabaseError as error:
        raise StoreError(
            f"{where}: cannot be opened ({error.orig}): check that it is a database and writable"
        ) from error
    except SQLAlchemyError as error:
        raise StoreError(f"{where}: {error}: check the address and the server") from error


def _create(engine: Engine, project: str) -> None:
    facts = {"schema_version": str(SCHEMA_VERSION), "project": project, "malformed": "0"}
    with engine.begin() as connection:
        METADATA.create_all(connection)
        rows = [{"key": key, "value": value} for key, value in facts.items()]
        connection.execute(insert(Meta), rows)


def _check(engine: Engine, where: str, project: str) -> None:
    with Session(engine) as session, session.begin():
        facts = {row.key: row for row in session.scalars(select(Meta))}
        version = facts["schema_version"].value if "schema_version" in facts else "unknown"
        if version != str(SCHEMA_VERSION):
            raise StoreError(
                f"{where} has schema version {version}, this software needs {SCHEMA_VERSION}:"
                f" {_remedy(version)}"
            )
        if facts["project"].value != project:
            raise StoreError(
                f"{where} holds project {facts['project'].value}, not {project}:"
                " choose another --database or --project"
            )
        facts["project"].value = project
        flag_modified(facts["project"], "value")  # a write, to see that we may


def _remedy(version: str) -> str:
    if version.isdigit() and int(version) > SCHEMA_VERSION:
        return "update edgeclip on this machine"
    return "start with another --database; the old one stays as it is"
