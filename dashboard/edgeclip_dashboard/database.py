"""Open the dashboard's database: address, pragmas, schema version, one dashboard at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Engine, create_engine, event, make_url, update
from sqlalchemy.exc import ArgumentError, DatabaseError, NoSuchModuleError, SQLAlchemyError

from edgeclip.contract.locks import take_lock
from edgeclip.errors import ConfigError, StoreError
from edgeclip_dashboard.config import DATABASE_PASSWORD_VARIABLE
from edgeclip_dashboard.migrating import State, bring_up_to_date, read_state
from edgeclip_dashboard.models import Meta
from edgeclip_dashboard.write_turns import take_turns_to_write

_PATIENCE_MS: Final = 5000  # for another process; threads of this one take turns
_PATIENCE_BESIDE_MS: Final = 30_000  # of a command beside a dashboard that takes a burst in


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
    """Yield an engine for a database of our schema, made or brought up to date where needed.

    Args:
        url: What `database_url` gave.
        project: Whose detections it holds; a database belongs to one project.

    Raises:
        StoreError: It cannot be opened or written, is in use by another dashboard, is not an
            edgeclip database, or one of a newer schema version or another project; or an older
            one that cannot be copied for want of room.
    """
    with _only_one(url):
        engine = _engine(url)
        try:
            _prepare(engine, url, project)
            yield engine
        finally:
            engine.dispose()


@contextmanager
def join_database(url: URL, *, project: str) -> Iterator[Engine]:
    """Yield an engine for a database that a dashboard may be serving at the same time.

    For small transactions of the command line: none that stores or receipts detections.

    Args:
        url: What `database_url` gave.
        project: Whose detections it holds.

    Raises:
        StoreError: There is none, it cannot be opened or written, or is of another schema version
            or project.
    """
    state = state_of(url, project=project)
    if state.version is None:
        raise StoreError(
            f"{shown(url)} is no database yet: start `edgeclip-dashboard serve` once, or name the"
            " right one with --database"
        )
    if state.is_old:
        raise StoreError(
            f"{shown(url)} has schema version {state.version}: bring it up to date with"
            " `edgeclip-dashboard migrate`"
        )
    engine = _engine(url, _PATIENCE_BESIDE_MS)
    try:
        with _named(shown(url)):
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


def _engine(url: URL, patience_ms: int = _PATIENCE_MS) -> Engine:
    try:
        engine = create_engine(url, **_arguments(url))
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        if url.drivername == "postgres":
            raise StoreError(
                "a PostgreSQL database is postgresql+psycopg://USER@HOST/NAME"
            ) from error
        raise StoreError(f"no driver for {url.drivername}: pip install it ({error})") from error
    if url.get_backend_name() == "sqlite":
        event.listen(engine, "connect", partial(_set_pragmas, patience_ms))
        take_turns_to_write(engine)
    return engine


def _arguments(url: URL) -> dict[str, Any]:
    """Return how both ends of a server's connection notice that the other is gone."""
    if url.drivername != "postgresql+psycopg":
        return {}
    connect: dict[str, Any] = {"connect_timeout": 5, "application_name": "edgeclip-dashboard"}
    connect |= {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}
    options = {"tcp_keepalives_idle": 10, "tcp_keepalives_interval": 5, "tcp_keepalives_count": 3}
    connect["options"] = " ".join(f"-c {name}={value}" for name, value in options.items())
    return {"connect_args": connect, "pool_pre_ping": True, "pool_size": 10}


def _set_pragmas(patience_ms: int, connection: Any, record: object) -> None:
    del record
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", f"busy_timeout={patience_ms}"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _prepare(engine: Engine, url: URL, project: str) -> None:
    where = shown(url)
    with _named(where):
        bring_up_to_date(engine, where, project)
        with engine.begin() as connection:  # a write, to see that we may
            connection.execute(update(Meta).where(Meta.key == "project").values(value=project))


def state_of(url: URL, *, project: str) -> State:
    """Return what a database holds, without changing it.

    Args:
        url: What `database_url` gave.
        project: Whose detections it is to hold.

    Raises:
        StoreError: It cannot be read, is not ours, newer, or of another project.
    """
    if url.get_backend_name() == "sqlite" and not Path(str(url.database)).exists():
        return State(None)
    engine, where = _engine(url), shown(url)
    try:
        with _named(where), engine.connect() as connection:
            return read_state(connection, where, project)
    finally:
        engine.dispose()


def shown(url: URL) -> str:
    """Return a database's path, or its address without the password."""
    return url.render_as_string(hide_password=True).removeprefix("sqlite:///")


@contextmanager
def _named(where: str) -> Iterator[None]:
    """Say of which database an error is."""
    try:
        yield
    except DatabaseError as error:
        raise StoreError(
            f"{where}: cannot be opened ({error.orig}): check that it is a database and writable"
        ) from error
    except SQLAlchemyError as error:
        raise StoreError(f"{where}: {error}: check the address and the server") from error
