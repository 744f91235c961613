"""A bundle's `engines/`, held by one process at a time: whoever builds, moves or writes there."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgeclip.contract.locks import drop_lock, take_lock

LOCK_FILE = ".lock"
WAIT_S = 2.0
"""Whoever writes a sidecar holds it for milliseconds, whoever builds for minutes."""

_POLL_S = 0.05


@contextmanager
def engines_held(folder: Path) -> Iterator[None]:
    """Hold a folder of engines; one that is empty in the end is removed.

    Args:
        folder: `engines/` of a bundle, made if missing.

    Raises:
        BlockingIOError: Another process still holds it after `WAIT_S`.
        OSError: The folder cannot be written.
    """
    path = folder / LOCK_FILE
    descriptor = _taken(path)
    try:
        yield
    finally:
        drop_lock(path, descriptor)
        with contextlib.suppress(OSError):  # it stays where something is in it
            folder.rmdir()


def _taken(path: Path) -> int:
    until = time.monotonic() + WAIT_S
    while True:
        try:
            return take_lock(path)
        except BlockingIOError:
            if time.monotonic() > until:
                raise
            time.sleep(_POLL_S)
