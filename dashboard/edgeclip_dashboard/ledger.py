"""Which rows of each device's outbox have arrived, kept in memory as ranges."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Engine, select

from edgeclip.contract.receipts import compress
from edgeclip_dashboard.models import OutboxRow

Outbox = tuple[str, str]  # device id and epoch
_AT_ONCE: Final = 5000


@dataclass(frozen=True)
class Gap:
    """Rows of an outbox, first to last inclusive, that have not arrived though later ones have."""

    device_id: str
    epoch: str
    first: int
    last: int


class RowNumbers:
    """A set of row numbers >= 1, kept as inclusive ranges."""

    def __init__(self, seqs: Iterable[int] = ()) -> None:
        upto, ranges = compress(seqs)
        self._ranges: list[tuple[int, int]] = ([(1, upto)] if upto else []) + ranges

    def add(self, seq: int) -> None:
        """Add a row number; one that is there changes nothing."""
        self.add_range(seq, seq)

    def add_range(self, first: int, last: int) -> None:
        """Add the row numbers from `first` to `last` inclusive."""
        at = bisect_right(self._ranges, first, key=lambda pair: pair[0])
        if at and last <= self._ranges[at - 1][1]:
            return
        if at and self._ranges[at - 1][1] >= first - 1:
            at -= 1
            first = self._ranges.pop(at)[0]
        while at < len(self._ranges) and self._ranges[at][0] <= last + 1:
            last = max(last, self._ranges.pop(at)[1])
        self._ranges.insert(at, (first, last))

    def copy(self) -> RowNumbers:
        """Return the same set, apart from this one."""
        other = RowNumbers()
        other._ranges = list(self._ranges)
        return other

    def ranges(self) -> tuple[int, list[tuple[int, int]]]:
        """Return the high-water mark (0 if row 1 is missing) and the ranges above it."""
        if self._ranges and self._ranges[0][0] == 1:
            return self._ranges[0][1], self._ranges[1:]
        return 0, list(self._ranges)

    def gaps(self) -> list[tuple[int, int]]:
        """Return the inclusive ranges that are missing below the highest row."""
        found, last = [], 0
        for first, final in self._ranges:
            if first > last + 1:
                found.append((last + 1, first - 1))
            last = final
        return found


class Ledger:
    """All outboxes that were ever seen: what is stored, and what has arrived at all.

    A refused row has arrived but is not stored: no receipt may cover it, and it is no gap.
    The receiving thread and the one that hears other instances write, the page's thread reads.
    """

    def __init__(self) -> None:
        self._stored: dict[Outbox, RowNumbers] = defaultdict(RowNumbers)
        self._arrived: dict[Outbox, RowNumbers] = defaultdict(RowNumbers)
        self._lock = threading.Lock()

    @classmethod
    def from_database(cls, engine: Engine) -> Ledger:
        """Return the ledger of everything that a database holds."""
        ledger = cls()
        ledger.learn(engine)
        return ledger

    def learn(self, engine: Engine) -> None:
        """Add everything that a database holds; what is known stays known."""
        columns = (OutboxRow.device_id, OutboxRow.epoch, OutboxRow.seq, OutboxRow.refused)
        query = select(*columns).order_by(*columns[:3])  # the primary key: nothing is sorted
        stored, arrived = _Runs(), _Runs()
        with engine.connect().execution_options(yield_per=_AT_ONCE) as connection:
            for device_id, epoch, seq, refused in connection.execute(query):
                arrived.follow((device_id, epoch), seq)
                if refused is None:
                    stored.follow((device_id, epoch), seq)
        with self._lock:
            for known, found in ((self._stored, stored), (self._arrived, arrived)):
                for outbox, first, last in found.ended():
                    known[outbox].add_range(first, last)

    def add(self, outbox: Outbox, seq: int, *, is_refused: bool = False) -> None:
        """Note a committed row."""
        with self._lock:
            self._arrived[outbox].add(seq)
            if not is_refused:
                self._stored[outbox].add(seq)

    def stored(self, outbox: Outbox) -> RowNumbers:
        """Return the rows of an outbox that are stored now."""
        with self._lock:
            return self._stored[outbox].copy()

    def gaps(self) -> list[Gap]:
        """Return what is missing, by device and epoch."""
        with self._lock:
            return [
                Gap(device_id, epoch, first, last)
                for (device_id, epoch), rows in sorted(self._arrived.items())
                for first, last in rows.gaps()
            ]


class _Runs:
    """Ranges of rows that come in their order, so that a million rows become a few ranges."""

    def __init__(self) -> None:
        self._ended: list[tuple[Outbox, int, int]] = []
        self._run: tuple[Outbox, int, int] | None = None

    def follow(self, outbox: Outbox, seq: int) -> None:
        """Add the next row."""
        run = self._run
        if run is not None and run[0] == outbox and run[2] == seq - 1:
            self._run = (outbox, run[1], seq)
            return
        self._end()
        self._run = (outbox, seq, seq)

    def ended(self) -> list[tuple[Outbox, int, int]]:
        """Return outbox, first and last of each range."""
        self._end()
        return self._ended

    def _end(self) -> None:
        if self._run is not None:
            self._ended.append(self._run)
        self._run = None
