"""One process a job and state folder: a lock that the kernel takes back when the process ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgeclip.contract.locks import lock_owner, take_lock
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
        descriptor = take_lock(path, mode=0o660)
    except BlockingIOError as error:
        raise SetupError(
            f"another {job} (process {lock_owner(path)}) works on {state}: stop it, or name another"
            " folder with --state"
        ) from error
    except OSError as error:
        raise SetupError(
            f"the state folder {state} cannot be written ({error.strerror}): name another one"
            " with --state, or give this user the right to write there"
        ) from error
    try:
        yield
    finally:
        os.close(descriptor)


def is_held(state: Path, job: str) -> bool:
    """Say whether a living process does a job on a state folder; its number may be another's.

    Args:
        state: The state folder.
        job: detect or uplink.
    """
    try:
        descriptor = os.open(state / f"{job}.lock", os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
