"""Which rows of each device's outbox have arrived, kept in memory as ranges."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Engine, select

from edgeclip.contract.receipts import compress
from edgeclip_dashboard.models import OutboxRow

Outbox = tuple[str, str]  # device id and epoch


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
        at = bisect_right(self._ranges, seq, key=lambda pair: pair[0])
        if at and seq <= self._ranges[at - 1][1]:
            return
        first = last = seq
        if at < len(self._ranges) and self._ranges[at][0] == seq + 1:
            last = self._ranges.pop(at)[1]
        if at and self._ranges[at - 1][1] == seq - 1:
            at -= 1
            first = self._ranges.pop(at)[0]
        self._ranges.insert(at, (first, last))

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
    The receiving thread writes, the page's thread reads.
    """

    def __init__(self) -> None:
        self._stored: dict[Outbox, RowNumbers] = defaultdict(RowNumbers)
        self._arrived: dict[Outbox, RowNumbers] = defaultdict(RowNumbers)
        self._lock = threading.Lock()

    @classmethod
    def from_database(cls, engine: Engine) -> Ledger:
        """Return the ledger of everything that a database holds."""
        stored: dict[Outbox, list[int]] = defaultdict(list)
        arrived: dict[Outbox, list[int]] = defaultdict(list)
        query = select(OutboxRow.device_id, OutboxRow.epoch, OutboxRow.seq, OutboxRow.refused)
        with engine.connect() as connection:
            for device_id, epoch, seq, refused in connection.execute(query):
                arrived[device_id, epoch].append(seq)
                if refused is None:
                    stored[device_id, epoch].append(seq)
        ledger = cls()
        ledger._stored.update({outbox: RowNumbers(seqs) for outbox, seqs in stored.items()})
        ledger._arrived.update({outbox: RowNumbers(seqs) for outbox, seqs in arrived.items()})
        return ledger

    def add(self, outbox: Outbox, seq: int, *, is_refused: bool = False) -> None:
        """Note a committed row."""
        with self._lock:
            self._arrived[outbox].add(seq)
            if not is_refused:
                self._stored[outbox].add(seq)

    def stored(self, outbox: Outbox) -> RowNumbers:
        """Return the rows of an outbox that are stored; for the receiving thread."""
        return self._stored[outbox]

    def gaps(self) -> list[Gap]:
        """Return what is missing, by device and epoch."""
        with self._lock:
            return [
                Gap(device_id, epoch, first, last)
                for (device_id, epoch), rows in sorted(self._arrived.items())
                for first, last in rows.gaps()
            ]
