"""This instance's place on a PostgreSQL: its name is its own, and all share or none does."""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine, text
from sqlalchemy.orm import Session

from edgeclip.contract.files import write_text
from edgeclip.errors import StoreError
from edgeclip_dashboard.config import DashboardSettings
from edgeclip_dashboard.models import Meta

_PATIENCE_S: Final = 10.0  # a server notices soon that a killed instance's connection is gone
_MARK: Final = ".edgeclip-media"
_MEDIA_FOLDER: Final = "media_folder"  # key in the table of facts


def lock_key(what: str) -> int:
    """Return the number of an advisory lock: 64 bits, signed."""
    return int.from_bytes(hashlib.sha256(what.encode()).digest()[:8], "big", signed=True)


@contextmanager
def place_of(engine: Engine, settings: DashboardSettings) -> Iterator[None]:
    """Hold this instance's place while it serves; on SQLite a lock file does that already.

    Args:
        engine: Of the database.
        settings: Whose `dashboard_id` and `shared_group` count.

    Raises:
        StoreError: Another instance has the name, shares where this one does not or the other
            way round, or has another folder of media.
    """
    if engine.dialect.name != "postgresql":
        yield
        return
    group, name = settings.broker.shared_group, settings.dashboard_id
    alone = "pg_try_advisory_lock" if group is None else "pg_try_advisory_lock_shared"
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        try:
            if not _locked(connection, alone, "serves alone"):
                raise StoreError(_not_alone(group))
            if not _locked(connection, "pg_try_advisory_lock", f"dashboard {name}"):
                raise StoreError(
                    f"another instance runs as {name}: give each a --dashboard-id of its own"
                )
            if group is not None:
                require_same_folder(engine, settings.store.media)
            yield
        finally:
            connection.invalidate()  # closed, not pooled: the locks end with it


def _not_alone(group: str | None) -> str:
    if group is None:
        return (
            "the database is in use by another edgeclip-dashboard: stop that one, or let all"
            " instances share by [broker].shared_group"
        )
    return (
        "the database is in use by an edgeclip-dashboard without [broker].shared_group: stop that"
        " one, and let it share too"
    )


def _locked(connection: Connection, function: str, what: str) -> bool:
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        if connection.scalar(text(f"SELECT {function}(:key)"), {"key": lock_key(what)}):
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)


def require_same_folder(engine: Engine, folder: Path) -> None:
    """Check by a mark that all instances see the same folder of media; the first makes the mark.

    Args:
        engine: Of the database that they share.
        folder: Of media.

    Raises:
        StoreError: It is another instance's folder no more than in name, or cannot be written.
    """
    path = folder / _MARK
    with Session(engine) as session, session.begin():
        session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": lock_key("media")})
        known = session.get(Meta, _MEDIA_FOLDER)
        mark = path.read_text().strip() if path.is_file() else None
        if known is None:
            mark = mark or str(uuid.uuid4())
            write_text(path, f"{mark}\n")
            session.add(Meta(key=_MEDIA_FOLDER, value=mark))
        elif known.value != mark:
            raise StoreError(
                f"{folder} is not the media folder of the other instances: mount theirs there, so"
                f" that {path} holds {known.value}"
            )
