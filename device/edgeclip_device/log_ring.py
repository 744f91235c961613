"""The last lines of a process's log, for whoever asks from afar."""

from __future__ import annotations

import logging
from collections import deque
from datetime import datetime, timezone

_MOST_LINES = 300
_LONGEST_LINE = 300


class LogRing(logging.Handler):
    """Keeps the last lines in memory; nothing is written to the disk for it."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._lines: deque[str] = deque(maxlen=_MOST_LINES)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        at = datetime.fromtimestamp(record.created, timezone.utc)
        line = f"{at:%Y-%m-%dT%H:%M:%SZ} {record.levelname} {record.name}: {record.getMessage()}"
        self._lines.append(line[:_LONGEST_LINE])

    def last(self, count: int) -> list[str]:
        """Return the newest lines, the oldest of them first."""
        return list(self._lines)[-count:]


def attached_ring() -> LogRing:
    """Return the ring of this process; it hears all loggers from the first call on."""
    root = logging.getLogger()
    for handler in root.handlers:
        if isinstance(handler, LogRing):
            return handler
    ring = LogRing()
    root.addHandler(ring)
    return ring
