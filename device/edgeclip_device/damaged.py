"""Outboxes that were set aside for their damage: the newest is kept, and counts as used space."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

from edgeclip_device.config import OutboxSettings

log = logging.getLogger(__name__)

DAMAGED = ".damaged-"  # between a file's or folder's name and the time


def remove_damaged(state: Path) -> None:
    """Remove what was set aside earlier: with every damage the disk would fill further."""
    for path in _damaged(state):
        log.error("%s was set aside at an earlier damage and is removed for the newer one", path)
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


def caps_beside_damaged(state: Path, settings: OutboxSettings) -> OutboxSettings:
    """Return the caps, less what lies damaged beside the outbox; at least half of them stay."""
    used = sum(_size_bytes(path) for path in _damaged(state))
    left = max(settings.max_mb - used // 1_000_000, (settings.max_mb + 1) // 2)
    return settings.model_copy(update={"max_mb": left})


def _damaged(state: Path) -> Iterator[Path]:
    return iter(sorted(state.glob(f"*{DAMAGED}*")))


def _size_bytes(path: Path) -> int:
    files = [path] if path.is_file() else [item for item in path.rglob("*") if item.is_file()]
    return sum(item.stat().st_size for item in files)
