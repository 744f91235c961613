"""Threads that write to one SQLite file take turns, in the order in which they ask.

SQLite lets the next one in who happens to look: beside a receiver that begins its next batch at
once, a person's verdict or a notice may look in vain until it gives up.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Any, Final

from sqlalchemy import Connection, Engine, event

_READS: Final = ("SELECT", "WITH", "PRAGMA", "EXPLAIN")
_PATIENCE_S: Final = 10.0  # after that SQLite itself decides, and says so if it cannot
_HAS_TURN: Final = "edgeclip.has_turn"


class WriteTurns:
    """A lock that goes to who has waited longest."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[threading.Event] = deque()
        self._is_taken = False

    @property
    def waiting(self) -> int:
        """How many wait for their turn."""
        return len(self._waiting)

    def take(self, patience_s: float = _PATIENCE_S) -> bool:
        """Wait for one's turn; say whether it came."""
        with self._lock:
            if not self._is_taken:
                self._is_taken = True
                return True
            mine = threading.Event()
            self._waiting.append(mine)
        if mine.wait(patience_s):
            return True
        with self._lock:
            if mine in self._waiting:
                self._waiting.remove(mine)
                return False
        return True  # it came at the last moment

    def give(self) -> None:
        """End one's turn."""
        with self._lock:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._is_taken = False


def take_turns_to_write(engine: Engine) -> None:
    """Let each connection take its turn with its first change, and give it back when it is over.

    Args:
        engine: Of a SQLite file.
    """
    turns = WriteTurns()

    def before_execute(connection: Connection, _cursor: Any, statement: str, *_: Any) -> None:
        info = connection.info
        if _HAS_TURN not in info and not statement.lstrip().upper().startswith(_READS):
            info[_HAS_TURN] = turns.take()

    def give_back(_connection: Any, record: Any) -> None:
        if record.info.pop(_HAS_TURN, False):
            turns.give()

    event.listen(engine, "before_cursor_execute", before_execute)
    event.listen(engine, "checkin", give_back)
