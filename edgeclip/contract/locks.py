"""One process at a time: a lock file that the kernel takes back when its holder ends."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from pathlib import Path


def take_lock(path: Path, *, mode: int = 0o644) -> int:
    """Return the descriptor of a lock; closing it, or the end of the process, gives it back.

    A file that a killed process left behind is free again and is taken over.

    Args:
        path: The lock file, made if missing, its folder too; it holds the process's number.
        mode: Of a file that is made.

    Raises:
        BlockingIOError: Another process holds it; `lock_owner` says which.
        OSError: The file cannot be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        descriptor = _open(path, mode)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(path, descriptor):
                _sign(descriptor)
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # its last holder deleted it between the two calls


def lock_file(path: Path, *, shared: bool) -> int:
    """Return the descriptor of a lock on a file that is there, which is not changed by it.

    Args:
        path: The file. One that takes its place while it is held is another file, and free.
        shared: Whether others may hold it too, if they share it.

    Raises:
        BlockingIOError: It is held in another way.
        OSError: There is no such file, or it cannot be opened; to be written, if not `shared`.
    """
    flags, kind = (os.O_RDONLY, fcntl.LOCK_SH) if shared else (os.O_RDWR, fcntl.LOCK_EX)
    while True:
        descriptor = os.open(path, flags)  # NFS locks for one alone only what is open for writing
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
            if _is_at(path, descriptor):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # deleted or replaced between the two calls


def drop_lock(path: Path, descriptor: int) -> None:
    """Delete a lock file that is held, and give the lock back."""
    with contextlib.suppress(OSError):  # a file that stays is taken over by the next holder
        path.unlink()  # while it is held: whoever waits for this very file looks again
    os.close(descriptor)


def lock_owner(path: Path) -> str:
    """Return the number of the process that holds or held a lock, or `unknown`."""
    try:
        return path.read_text(errors="replace").strip() or "unknown"
    except OSError:
        return "unknown"


def _open(path: Path, mode: int) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT, mode)
    except OSError as error:
        if error.errno != errno.EROFS:
            raise
        return os.open(path, os.O_RDONLY)  # a lock needs no writing


def _sign(descriptor: int) -> None:
    """Write this process's number into a lock file, where the disk takes it."""
    with contextlib.suppress(OSError):  # full or read-only: the lock itself holds
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)


def _is_at(path: Path, descriptor: int) -> bool:
    """Return whether the file that was locked is still the one of that name."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
