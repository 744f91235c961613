"""What the uplink takes out of the outbox, and what a receipt deletes."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Row:
    """A detection that is due.

    Attributes:
        attempts: How often it was published before.
    """

    seq: int
    topic: str
    payload: bytes
    created_boot_ns: int
    boot_id: str
    attempts: int


@dataclass(frozen=True)
class MediaRow:
    """A snapshot that is due."""

    sha256: str
    detection_id: str
    n: int
    path: Path
    attempts: int
    size_bytes: int


@dataclass(frozen=True)
class Released:
    """What a receipt took out of the outbox.

    Attributes:
        refused: Number and reason of rows that the dashboard will never store.
    """

    seqs: list[int] = field(default_factory=list)
    media: list[str] = field(default_factory=list)
    refused: list[tuple[int, str]] = field(default_factory=list)
