"""All records of a run in one temporary database: by list, or by burst, in flat memory."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
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
create table sequences (name text primary key, frames integer, probabilities text);
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
    """

    record: Record
    sequence: str
    frames: int
    probabilities: tuple[float, ...]


class Index:
    """The records of a run; made by `indexed`."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def rows(self) -> Iterator[Row]:
        """Yield every image in the order of the list."""
        query = (
            "select record, i.sequence, frames, probabilities from images i"
            " join sequences s on s.name = i.sequence order by n"
        )
        for text, sequence, frames, probabilities in self._database.execute(query):
            yield Row(Record.model_validate_json(text), sequence, frames, _numbers(probabilities))

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
        name, last = "", float("-inf")
        before: tuple[str, str | None] | None = None
        frames: list[tuple[float, ...]] = []
        names: list[tuple[str, int]] = []
        cursor = self._database.cursor()
        for number, place, at, told, text in self._database.execute(query):
            here = (place, told)
            is_same = here == before and (
                told is not None or (at is not None and at - last <= MOST_GAP.total_seconds())
            )
            if not is_same:
                self._close(cursor, name, frames)
                name, frames = f"{place}/{told}" if told else f"{place}#{number}", []
            before, last = here, at if at is not None else float("-inf")
            record = Record.model_validate_json(text)
            if record.failure is None:
                frames.append(record.probabilities)
            names.append((name, number))
            if len(names) == _MANY:
                cursor.executemany("update images set sequence = ? where n = ?", names)
                names = []
        self._close(cursor, name, frames)
        cursor.executemany("update images set sequence = ? where n = ?", names)

    def _close(self, cursor: sqlite3.Cursor, name: str, frames: list[tuple[float, ...]]) -> None:
        if name:
            text = ",".join(map(repr, mean_answer(frames)))
            cursor.execute("insert into sequences values (?, ?, ?)", (name, len(frames), text))

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


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(map(float, text.split(","))) if text else ()
