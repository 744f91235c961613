"""Where the uplink works while the disk fails it: in memory, until the disk can be written again.

A full or read-only disk, and a damaged outbox, must still leave by MQTT. What can be read of the
outbox is copied into memory; what is sent and receipted there is forgotten on the disk, too, as
soon as that is possible. Until then no command is obeyed: nothing could tell a replay of it.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Final

from edgeclip.errors import OutboxError
from edgeclip_device import database, memory_copy
from edgeclip_device.backlog import Backlog
from edgeclip_device.budget import BUDGET
from edgeclip_device.clock import WallClock
from edgeclip_device.field.requests import ask

log = logging.getLogger(__name__)

_FIRST_LOOK_S = 10.0
_LAST_LOOK_S = 600.0
_PROOF_BYTES = 262_144  # must find room before the disk is trusted again
_ALARM: Final = "outbox_failing"


class Refuge:
    """Opens an outbox on its disk, or in memory where that is all there is.

    Args:
        state: The state folder.
        clock: The machine's clocks.
        requests: Where root can be asked to start detect anew.
        first_look_s: The disk is looked at after so long, then at twice that, up to 10 min.
    """

    def __init__(
        self, state: Path, clock: WallClock, requests: Path, first_look_s: float = _FIRST_LOOK_S
    ) -> None:
        self._state = state
        self._clock = clock
        self._requests = requests
        self._first_look_s = self._look_s = first_look_s
        self._look_at = 0.0
        self._is_damage = False

    def open(self) -> Backlog:
        """Return the outbox; one in memory where it cannot be opened.

        Raises:
            OutboxError: It is of another version of this software.
        """
        try:
            backlog = Backlog(self._state, self._clock)
        except OutboxError as error:
            if not _is_of_the_disk(error):
                raise
            return self._in_memory(error)
        try:
            backlog.alarms.clear_alarm(_ALARM)
        except OutboxError as error:
            return self.flee(backlog, error)
        return backlog

    def flee(self, backlog: Backlog, error: OutboxError) -> Backlog:
        """Return the outbox in memory, in place of one that failed, which is closed.

        Raises:
            OutboxError: That is no fault of the disk.
        """
        if backlog.is_volatile or not _is_of_the_disk(error):
            raise error
        backlog.close()
        return self._in_memory(error)

    def better(self, backlog: Backlog) -> Backlog | None:
        """Return the outbox on its disk where that is new or can be written again; else None."""
        if backlog.is_replaced():
            log.warning("detect has begun a new outbox: it is opened")
            new = self.open()
            backlog.close()
            return new
        if not backlog.is_volatile or self._is_damage or time.monotonic() < self._look_at:
            return None
        self._look_s = min(self._look_s * 2, _LAST_LOOK_S)
        self._look_at = time.monotonic() + self._look_s
        return self._back(backlog) if self._can_write() else None

    def _in_memory(self, error: OutboxError) -> Backlog:
        cause = error.__cause__
        self._is_damage = database.is_damage(error)
        self._look_at = time.monotonic() + self._look_s
        advice = "free space, or look at dmesg and repair the card"
        if self._is_damage:
            advice = "detect sets it aside at its start"
            ask("restart-detect", f"outbox: {error}", self._requests)
        connection = memory_copy.copied(self._state / database.DATABASE_FILE)
        backlog = Backlog(self._state, self._clock, connection)
        backlog.alarms.raise_alarm(
            _ALARM, f"{cause}: sent from memory, and commands are refused, until it works: {advice}"
        )
        return backlog

    def _can_write(self) -> bool:
        """Say whether the outbox takes more than what would be lost again at once."""
        try:
            with closing(database.open_database(self._state)) as connection:
                for proof in ("x" * _PROOF_BYTES, ""):
                    with database.transaction(connection):
                        database.write_meta(connection, "proof", proof)
                database.shrink_log(connection)
        except (OutboxError, sqlite3.Error):
            return False
        return True

    def _back(self, memory: Backlog) -> Backlog | None:
        try:
            backlog = Backlog(self._state, self._clock)
            backlog.forget(memory.released_seqs, memory.released_media)
            for key in (BUDGET, database.NEXT_BDSEQ):
                backlog.note(key, memory.noted(key) or "")
        except OutboxError as error:
            log.error("the outbox fails again: %s", error)
            return None
        log.warning("the outbox can be written again")
        memory.close()
        backlog.alarms.clear_alarm(_ALARM)
        return backlog


def _is_of_the_disk(error: OutboxError) -> bool:
    cause = error.__cause__
    return isinstance(cause, (OSError, sqlite3.OperationalError)) or database.is_damage(error)
