"""One process a job and state folder: a lock that the kernel takes back when the process ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgeclip.errors import SetupError


@contextmanager
def only_process(state: Path, job: str) -> Iterator[None]:
    """Hold the lock of a job on a state folder.

    Args:
        state: The state folder, made if missing.
        job: detect or uplink.

    Raises:
        SetupError: Another process does that job here, or the folder cannot be written.
    """
    path = state / f"{job}.lock"
    try:
        state.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o660)
    except OSError as error:
        raise SetupError(
            f"the state folder {state} cannot be written ({error.strerror}): name another one"
            " with --state, or give this user the right to write there"
        ) from error
    try:
        _lock(descriptor, path, job)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, path: Path, job: str) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        owner = os.pread(descriptor, 20, 0).decode(errors="replace").strip() or "unknown"
        raise SetupError(
            f"another {job} (process {owner}) works on {path.parent}: stop it, or name another"
            " folder with --state"
        ) from error
    os.truncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
