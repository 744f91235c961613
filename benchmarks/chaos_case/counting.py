"""What arrived, by the dashboard's own database: lost, twice, missing; and what it showed."""

from __future__ import annotations

import json
import sqlite3
import threading
import urllib.request
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_LOOK_EVERY_S = 0.5


@dataclass(frozen=True)
class Arrived:
    """What the dashboard has stored.

    Attributes:
        ids: Of all detections on its pages.
        rows: Outbox row of each stored revision.
        snapshots_missing: Announced, but not there.
    """

    ids: list[str]
    rows: list[int]
    snapshots: int
    snapshots_missing: int

    def lost(self, expected: set[str]) -> int:
        """Return how many of these detections are not there."""
        return len(expected - set(self.ids))

    def twice(self, expected: set[str]) -> int:
        """Return how many are there more than once, under whichever id."""
        again = sum(count - 1 for count in Counter(self.rows).values())
        return again + len(set(self.ids) - expected) + len(self.ids) - len(set(self.ids))


def read_arrived(database: Path) -> Arrived:
    """Read the dashboard's database."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        ids = [row[0] for row in connection.execute("SELECT detection_id FROM detections")]
        payloads = [
            json.loads(row[0]) for row in connection.execute("SELECT payload FROM revisions")
        ]
        stored = {row[0] for row in connection.execute("SELECT sha256 FROM media")}
    announced = {media["sha256"] for payload in payloads for media in payload["media"]}
    rows = [payload["seq"] for payload in payloads]
    return Arrived(ids, rows, len(announced), len(announced - stored))


def committed_twice(file: Path) -> int:
    """Return how many rows were committed again after `emit` had said that they are safe."""
    rows = Counter(line.split()[0] for line in file.read_text().splitlines())
    return sum(count - 1 for count in rows.values())


def years_of(file: Path) -> list[int]:
    """Return all years in which the device believed itself when it committed."""
    return sorted({int(line.split()[2]) for line in file.read_text().splitlines()})


@dataclass
class Watch:
    """Looks at the dashboard's pages while it is there.

    Attributes:
        address: Of its pages.
        missing: Rows that it showed as gaps at some time.
        duplicates: Messages that it knew already, by the start of the process that counted them.
    """

    address: str
    missing: set[int] = field(default_factory=set)
    duplicates: dict[str, int] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        """Begin to look."""
        threading.Thread(target=self._run, name="watch", daemon=True).start()

    def stop(self) -> None:
        """Look no more."""
        self._stop.set()

    def look(self) -> list[int]:
        """Return the rows that the dashboard shows as missing now.

        Raises:
            OSError: It is not there.
            ValueError: It was killed in mid-sentence.
        """
        devices: list[dict[str, Any]] = self._get("/api/devices")
        since: dict[str, Any] = self._get("/healthz")["since_start"]
        self.duplicates[since["started_at"]] = since["duplicates"]
        return [
            row
            for device in devices
            for gap in device["gaps"]
            for row in range(gap["first"], gap["last"] + 1)
        ]

    def _get(self, path: str) -> Any:
        with urllib.request.urlopen(self.address + path, timeout=5) as answer:
            return json.load(answer)

    def _run(self) -> None:
        while not self._stop.wait(_LOOK_EVERY_S):
            try:
                self.missing.update(self.look())
            except (OSError, ValueError, KeyError):  # it is being killed, or starts
                continue
