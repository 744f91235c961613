"""Rows as detect writes them: the next number, a snapshot's row, the journal of open visits."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from edgeclip.contract.detection import Detection, MediaRef
from edgeclip_device.media import Snapshot


@dataclass(frozen=True)
class Attachment:
    """A snapshot of a detection and its number in it."""

    n: int
    snapshot: Snapshot

    @property
    def ref(self) -> MediaRef:
        """How the detection names it."""
        return self.snapshot.ref(self.n)


def next_seq(connection: sqlite3.Connection) -> int:
    """Return the number of the next row; no number comes twice in an epoch."""
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'outbox'").fetchone()
    return int(row[0]) + 1 if row else 1


def insert_media(
    connection: sqlite3.Connection, detection_id: str, item: Attachment, seq: int
) -> None:
    """Add a snapshot of a detection, in the caller's transaction."""
    snapshot = item.snapshot
    connection.execute(
        "INSERT OR IGNORE INTO media (sha256, detection_id, n, path, size_bytes, kind, added)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            snapshot.sha256,
            detection_id,
            item.n,
            f"{snapshot.sha256}.jpg",
            len(snapshot.data),
            snapshot.kind,
            seq,
        ),
    )


def keep_journal(connection: sqlite3.Connection, detection: Detection, payload: bytes) -> None:
    """Remember an open visit, forget one that ended: a restart closes what it finds."""
    if detection.phase in ("end", "retract"):
        connection.execute("DELETE FROM visits WHERE detection_id = ?", (detection.detection_id,))
    else:
        connection.execute(
            "INSERT OR REPLACE INTO visits VALUES (?, ?)", (detection.detection_id, payload)
        )
