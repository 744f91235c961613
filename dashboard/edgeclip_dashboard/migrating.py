"""Bring a database to this version of the schema, in one transaction, after a copy of a file."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import URL, Connection, Engine, insert, inspect, select, text, update

from edgeclip.contract.files import sync_folder
from edgeclip.errors import StoreError
from edgeclip_dashboard.models import SCHEMA_VERSION, Meta

log = logging.getLogger(__name__)

_ADVISORY_LOCK = 0x65646765  # "edge": one instance migrates a server's database, others wait
_SPARE_BYTES = 16_000_000


@dataclass(frozen=True)
class State:
    """What a database says of itself.

    Attributes:
        version: Of its schema, 1 or more; None for a database without tables.
    """

    version: int | None

    @property
    def is_old(self) -> bool:
        """Whether it has data of an earlier version."""
        return self.version is not None and self.version < SCHEMA_VERSION


def read_state(connection: Connection, where: str, project: str) -> State:
    """Return what a database holds.

    Args:
        connection: Open.
        where: The database, for messages.
        project: Whose detections it is to hold.

    Raises:
        StoreError: It has tables that are not ours, was written by newer software, or holds
            another project.
    """
    tables = set(inspect(connection).get_table_names())
    if not tables:
        return State(None)
    if Meta.__tablename__ not in tables:
        raise StoreError(f"{where} is not an edgeclip database: choose another --database")
    facts = {row.key: row.value for row in connection.execute(select(Meta.key, Meta.value))}
    version = facts.get("schema_version", "unknown")
    if not version.isdigit() or not 1 <= int(version) <= SCHEMA_VERSION:
        raise StoreError(
            f"{where} has schema version {version}, this software needs {SCHEMA_VERSION}:"
            f" {_remedy(version)}"
        )
    if facts.get("project") != project:
        raise StoreError(
            f"{where} holds project {facts.get('project')}, not {project}:"
            " choose another --database or --project"
        )
    return State(int(version))


def _remedy(version: str) -> str:
    if version.isdigit() and int(version) > SCHEMA_VERSION:
        return "update edgeclip on this machine"
    return "start with another --database; the old one stays as it is"


def bring_up_to_date(engine: Engine, where: str, project: str) -> None:
    """Make the tables of an empty database, or add what an older one lacks; whole or not at all.

    Instances that start together on one server take turns.

    Args:
        engine: Of the database.
        where: The database, for messages.
        project: Whose detections it is to hold.

    Raises:
        StoreError: It is not ours, newer, of another project, or there is no room for its copy.
    """
    with engine.connect() as connection:
        if read_state(connection, where, project).version == SCHEMA_VERSION:
            return
    with engine.connect() as connection:
        _take_turn(connection)
        state = read_state(connection, where, project)
        if state.is_old and engine.dialect.name == "sqlite":
            log.info("%s: a copy is at %s", where, copy_before(engine.url))
        _upgrade(connection, state, project)
        connection.commit()
    if state.is_old:
        log.info("%s: schema version %s is now %d", where, state.version, SCHEMA_VERSION)


def _take_turn(connection: Connection) -> None:
    """Begin a transaction that no other instance can be in."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")  # pysqlite itself begins none for a table
    else:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})


def _upgrade(connection: Connection, state: State, project: str) -> None:
    config = Config()
    config.set_main_option("script_location", "edgeclip_dashboard:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    has_stamp = inspect(connection).has_table("alembic_version")
    if state.version is not None and not has_stamp:  # version 1 was made without Alembic
        command.stamp(config, f"{state.version:04d}")
    command.upgrade(config, f"{SCHEMA_VERSION:04d}")
    if state.version is None:
        facts = {"schema_version": "0", "project": project, "malformed": "0"}
        rows = [{"key": key, "value": value} for key, value in facts.items()]
        connection.execute(insert(Meta), rows)
    version = update(Meta).where(Meta.key == "schema_version")
    connection.execute(version.values(value=str(SCHEMA_VERSION)))


def copy_path(url: URL) -> Path:
    """Return where the copy of a SQLite file goes before it is changed."""
    return Path(f"{url.database}.before-{SCHEMA_VERSION:04d}")


def copy_before(url: URL) -> Path:
    """Copy a SQLite database beside itself, by SQLite's own backup; return where.

    Raises:
        StoreError: The disk has no room for the copy and the change.
    """
    source, target = Path(str(url.database)), copy_path(url)
    _require_room(source)
    part = target.with_name(f"{target.name}.part")
    part.unlink(missing_ok=True)
    with (
        contextlib.closing(sqlite3.connect(source)) as old,
        contextlib.closing(sqlite3.connect(part)) as new,
    ):
        old.backup(new)
    shutil.copymode(source, part)
    _flush(part)
    part.replace(target)
    sync_folder(target.parent)
    return target


def _require_room(source: Path) -> None:
    files = (source, Path(f"{source}-wal"))
    size = sum(file.stat().st_size for file in files if file.exists())
    needed, free = 2 * size + _SPARE_BYTES, shutil.disk_usage(source.parent).free
    if free < needed:
        raise StoreError(
            f"{source}: {free >> 20} MB are free, a copy and the change to schema version"
            f" {SCHEMA_VERSION} need {needed >> 20} MB: make room and start again"
        )


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def what_is_due(state: State, url: URL) -> str:
    """Return what `bring_up_to_date` has to do, in words."""
    if state.version is None:
        return f"new, to be made with schema version {SCHEMA_VERSION}"
    if not state.is_old:
        return f"schema version {state.version}, nothing to do"
    steps = f"schema version {state.version} to {SCHEMA_VERSION}"
    is_file = url.get_backend_name() == "sqlite"
    return f"{steps}, after a copy at {copy_path(url)}" if is_file else steps
