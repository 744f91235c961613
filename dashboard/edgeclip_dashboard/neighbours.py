"""Instances on one PostgreSQL tell each other what they stored, in the commit that stores it."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from typing import Any, Final

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from edgeclip_dashboard.ledger import Ledger, Outbox

log = logging.getLogger(__name__)

_CHANNEL: Final = "edgeclip_stored"
_MOST_ROWS: Final = 60  # of about 100 bytes each; PostgreSQL takes 8000 bytes a notice
_RETRY_S: Final = 1.0
_LOOK_S: Final = 0.5  # how long a stop waits for the listening thread

Row = tuple[Outbox, int, bool]
"""An outbox, the number of a row, and whether it was refused."""


def tell(session: Session, name: str, rows: list[Row]) -> None:
    """Have all other instances told of rows when the transaction commits; SQLite has no others.

    Args:
        session: An open transaction.
        name: Of this instance.
        rows: Stored or refused in it; others are told of the commit also where there are none.
    """
    if session.get_bind().dialect.name != "postgresql":
        return
    for first in range(0, max(len(rows), 1), _MOST_ROWS):
        some = [
            [*outbox, seq, refused] for outbox, seq, refused in rows[first : first + _MOST_ROWS]
        ]
        payload = json.dumps({"from": name, "rows": some}, separators=(",", ":"))
        session.execute(
            text("SELECT pg_notify(:channel, :payload)"),
            {"channel": _CHANNEL, "payload": payload},
        )


class Neighbours:
    """Hears what other instances stored, in a thread of its own.

    Args:
        engine: Of a PostgreSQL.
        name: Of this instance, whose own notices are no news.
        ledger: Learns which rows have arrived.
        on_change: Told of each commit, from this thread.
    """

    def __init__(
        self, engine: Engine, name: str, ledger: Ledger, on_change: Callable[[], None]
    ) -> None:
        self._engine = engine
        self._name = name
        self._ledger = ledger
        self._on_change = on_change
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="neighbours", daemon=True)

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stopping.set()
        self._thread.join(5.0)

    def _run(self) -> None:
        driver = self._engine.dialect.loaded_dbapi
        is_told = False
        while not self._stopping.is_set():
            try:
                with self._engine.connect() as connection:
                    self._listen(connection)
                is_told = False
            except (SQLAlchemyError, driver.Error) as error:
                if not is_told:
                    log.warning("other instances cannot be heard, trying again: %s", error)
                is_told = True
            except Exception:  # the thread's one supervised boundary
                log.exception("listening to other instances failed; it goes on")
            self._stopping.wait(_RETRY_S)

    def _listen(self, connection: Connection) -> None:
        connection = connection.execution_options(isolation_level="AUTOCOMMIT")
        connection.exec_driver_sql(f"LISTEN {_CHANNEL}")
        self._ledger.learn(self._engine)  # only now, so that nothing is missed in between
        self._on_change()
        listening: Any = connection.connection.driver_connection
        try:
            while not self._stopping.is_set():
                for notice in listening.notifies(timeout=_LOOK_S):
                    self._hear(notice.payload)
                    if self._stopping.is_set():
                        break
        finally:
            connection.invalidate()  # nobody else is to get one that listens

    def _hear(self, payload: str) -> None:
        document = json.loads(payload)
        if document["from"] == self._name:
            return
        for device_id, epoch, seq, refused in document["rows"]:
            self._ledger.add((device_id, epoch), seq, is_refused=refused)
        self._on_change()
