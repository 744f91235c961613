"""Alarms: raised and cleared by any part of the device, kept on disk, told by the uplink.

An alarm that is raised again and again is written once. It stands until whoever raised it clears
it, over restarts too; the broker retains it, and is told all of them at every connection.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from pydantic import ValidationError

from edgeclip.contract.alarms import LONGEST_DETAIL, Alarm, AlarmCode
from edgeclip.errors import OutboxError
from edgeclip_device import database
from edgeclip_device.clock import WallClock, believed, boot_id
from edgeclip_device.letters import note_entry

log = logging.getLogger(__name__)

_PREFIX = "alarm/"


class Alarms:
    """The alarms of one outbox.

    Args:
        connection: Of the outbox; used by the thread that opened it.
        clock: Says since when.
    """

    def __init__(self, connection: sqlite3.Connection, clock: WallClock) -> None:
        self._connection = connection
        self._clock = clock
        self._unkept: dict[AlarmCode, Alarm] = {}

    def raise_alarm(self, code: AlarmCode, detail: str, *, is_logged: bool = False) -> None:
        """Raise an alarm, or change the detail of one that stands.

        Costs one look at the database where nothing changes. A disk that cannot be written is
        logged and no error: the alarm is then known in this process alone.

        Args:
            code: Which one.
            detail: What happened, where, what to do; cut after 300 characters.
            is_logged: Whether the log has it already.
        """
        text = " ".join(detail.split())[:LONGEST_DETAIL]
        standing = self.standing().get(code)
        if standing is not None and standing.detail == text:
            return
        since = standing.since if standing else believed(self._clock.now(), self._clock.not_before)
        boot = standing.boot_id if standing else boot_id()
        if not is_logged:
            log.error("alarm %s: %s", code, text)
        self._keep(code, Alarm(code=code, since=since, boot_id=boot, detail=text))

    def clear_alarm(self, code: AlarmCode) -> None:
        """Say that an alarm is over; nothing happens where it does not stand."""
        if code in self.standing():
            log.warning("alarm %s is over", code)
            self._keep(code, None)

    def set_alarm(self, code: AlarmCode, detail: str | None) -> None:
        """Raise an alarm with this detail; None or no text clears it."""
        if detail:
            self.raise_alarm(code, detail)
        else:
            self.clear_alarm(code)

    def note(self, key: str, value: str) -> None:
        """Leave a word in `meta` beside an alarm.

        Raises:
            OutboxError: It could not be written.
        """
        with database.transaction(self._connection) as connection:
            database.write_meta(connection, key, value)

    def standing(self) -> dict[AlarmCode, Alarm]:
        """Return the alarms that stand.

        Raises:
            OutboxError: The database cannot be read.
        """
        kept = {}
        query = "SELECT payload FROM retained WHERE name LIKE 'alarm/%' AND payload != x''"
        for (payload,) in database.query(self._connection, query):
            try:
                alarm = Alarm.model_validate_json(payload)
            except ValidationError:  # of another version of this software
                continue
            kept[alarm.code] = alarm
        return {**kept, **self._unkept}

    def retained(self) -> dict[str, bytes]:
        """Return what the broker shall retain, by the topic below `up/`.

        Raises:
            OutboxError: The database cannot be read.
        """
        unkept = {_PREFIX + code: alarm.to_json() for code, alarm in self._unkept.items()}
        return {**database.read_retained(self._connection), **unkept}

    def _keep(self, code: AlarmCode, alarm: Alarm | None) -> None:
        was_standing = code in self.standing()
        self._unkept.pop(code, None)
        payload = alarm.to_json() if alarm else b""
        try:
            with database.transaction(self._connection) as connection:
                database.keep_retained(connection, _PREFIX + code, payload)
                said = f"{code}: {alarm.detail}" if alarm else f"{code} is over"
                if alarm is None or not was_standing:  # not each new detail
                    note_entry(connection, self._clock, "alarm", said)
        except OutboxError as error:
            log.error("alarm %s cannot be kept: %s", code, error)
            if alarm is not None:
                self._unkept[code] = alarm


@contextmanager
def opened_alarms(state: Path, clock: WallClock) -> Iterator[Alarms]:
    """Yield the alarms of a state folder over a connection of their own.

    Args:
        state: The state folder.
        clock: Says since when.

    Raises:
        OutboxError: The database is damaged or cannot be opened.
    """
    with closing(database.open_database(state)) as connection:
        yield Alarms(connection, clock)
