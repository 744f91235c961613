"""All records of a run in one temporary database: by list, or by burst, in flat memory."""

from __future__ import annotations

import sqlite3
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

import numpy as np

from edgeclip.archive.records import DIGITS, Record
from edgeclip.contract.postprocess import softmax
from edgeclip.labels.sequences import MOST_GAP

_MANY = 5000
_LEAST = 1e-7  # so that a probability that was rounded to 0 has a logarithm
_SCHEMA = """
create table images (n integer primary key, place text, at real, told text, sequence text,
                     record text);
create index by_burst on images (place, told, at, n);
create table sequences (name text primary key, place text, frames integer, probabilities text,
                        began real, ended real, pack text);
"""


@dataclass(frozen=True)
class Row:
    """An image with its burst.

    Attributes:
        record: Of the image.
        sequence: The burst's name.
        frames: How many images of it have an answer.
        probabilities: Of the burst: the softmax of the mean of its frames' logarithms; empty where
            no frame has an answer.
        period: Of the burst's first and last frame, aware UTC; None where no time is known.
    """

    record: Record
    sequence: str
    frames: int
    probabilities: tuple[float, ...]
    period: tuple[datetime, datetime] | None = None


@dataclass(frozen=True)
class Burst:
    """Frames of one place that belong together.

    Attributes:
        name: Of the burst.
        location: Where the camera stood.
        probabilities: As those of a `Row`.
        period: Likewise.
        pack: That answered for the most of its frames, the first of equals; None: the prompts.
    """

    name: str
    location: str
    probabilities: tuple[float, ...]
    period: tuple[datetime, datetime] | None
    pack: str | None


@dataclass
class _Open:
    """A burst that more frames may be of: answers, and seconds since 1970."""

    name: str
    place: str
    frames: list[tuple[float, ...]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    packs: Counter[str | None] = field(default_factory=Counter)


class Index:
    """The records of a run; made by `indexed`."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def rows(self) -> Iterator[Row]:
        """Yield every image in the order of the list."""
        query = (
            "select record, i.sequence, frames, probabilities, began, ended from images i"
            " join sequences s on s.name = i.sequence order by n"
        )
        for text, sequence, frames, probabilities, *times in self._database.execute(query):
            record, answer = Record.model_validate_json(text), _numbers(probabilities)
            yield Row(record, sequence, frames, answer, _period(*times))

    def bursts(self) -> Iterator[Burst]:
        """Yield every burst, by place and time."""
        query = (
            "select name, place, probabilities, pack, began, ended from sequences order by rowid"
        )
        for name, place, probabilities, pack, *times in self._database.execute(query):
            yield Burst(name, place, _numbers(probabilities), _period(*times), pack)

    def add(self, records: Iterable[Record]) -> None:
        """Take all records of a run, in the order of its list."""
        rows: list[tuple[object, ...]] = []
        for number, record in enumerate(records):
            at = record.taken_at.timestamp() if record.taken_at else None
            rows.append((number, record.location, at, record.sequence, record.model_dump_json()))
            if len(rows) == _MANY:
                self._insert(rows)
                rows = []
        self._insert(rows)

    def find_sequences(self) -> None:
        """Name the burst of each image: the table's name, else frames of one place within 60 s."""
        query = "select n, place, at, told, record from images order by place, told, at, n"
        burst, last = _Open("", ""), float("-inf")
        before: tuple[str, str | None] | None = None
        names: list[tuple[str, int]] = []
        cursor = self._database.cursor()
        for number, place, at, told, text in self._database.execute(query):
            here = (place, told)
            is_same = here == before and (
                told is not None or (at is not None and at - last <= MOST_GAP.total_seconds())
            )
            if not is_same:
                self._close(cursor, burst)
                burst = _Open(f"{place}/{told}" if told else f"{place}#{number}", place)
            before, last = here, at if at is not None else float("-inf")
            record = Record.model_validate_json(text)
            if record.failure is None:
                burst.frames.append(record.probabilities)
                burst.packs[record.pack] += 1
                burst.times += [] if at is None else [at]
            names.append((burst.name, number))
            if len(names) == _MANY:
                cursor.executemany("update images set sequence = ? where n = ?", names)
                names = []
        self._close(cursor, burst)
        cursor.executemany("update images set sequence = ? where n = ?", names)

    def _close(self, cursor: sqlite3.Cursor, burst: _Open) -> None:
        if burst.name:
            text = ",".join(map(repr, mean_answer(burst.frames)))
            times = min(burst.times, default=None), max(burst.times, default=None)
            pack = next((name for name, _ in burst.packs.most_common(1)), None)
            values = (burst.name, burst.place, len(burst.frames), text, *times, pack)
            cursor.execute("insert into sequences values (?, ?, ?, ?, ?, ?, ?)", values)

    def _insert(self, rows: list[tuple[object, ...]]) -> None:
        self._database.executemany(
            "insert into images (n, place, at, told, record) values (?, ?, ?, ?, ?)", rows
        )


def mean_answer(frames: list[tuple[float, ...]]) -> tuple[float, ...]:
    """Return the probabilities of a burst: softmax of the mean logits of its frames.

    Args:
        frames: Probabilities of each; their logarithms are logits but for a constant, which the
            softmax takes out. None at all give an empty answer.
    """
    if not frames:
        return ()
    logits = np.log(np.maximum(np.asarray(frames), _LEAST)).mean(axis=0)
    return tuple(round(float(value), DIGITS) for value in softmax(logits.astype(np.float32)))


@contextmanager
def indexed(records: Iterable[Record], folder: Path) -> Iterator[Index]:
    """Yield an index of records; its file goes with the block.

    Args:
        records: In the order of the list.
        folder: On a disk with room for them.
    """
    with (
        tempfile.TemporaryDirectory(dir=folder) as own,
        closing(sqlite3.connect(Path(own) / "index.sqlite")) as database,
    ):
        database.execute("pragma journal_mode = off")
        database.execute("pragma synchronous = off")
        database.executescript(_SCHEMA)
        index = Index(database)
        index.add(records)
        index.find_sequences()
        yield index


def _period(began: float | None, ended: float | None) -> tuple[datetime, datetime] | None:
    if began is None or ended is None:
        return None
    return datetime.fromtimestamp(began, timezone.utc), datetime.fromtimestamp(ended, timezone.utc)


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(map(float, text.split(","))) if text else ()
