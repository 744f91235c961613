"""Write files whole or not at all: temporary name, fsync, rename."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from edgeclip.errors import ConfigError

_LEFT_AFTER_S = 60.0
"""So old is what a killed process left; a living one locks its folder in the first second."""


def reason_of(error: OSError) -> str:
    """Return why the system refused, without its number."""
    return error.strerror or str(error)


def remedy_for(error: OSError) -> str:
    """Return what to do about a file or folder that cannot be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return "free some disk"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return "make it writable, or run as its owner"
    return "name another place"


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries to disk, so that a rename in it survives a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` to `path` whole or not at all, and durably.

    Args:
        path: The file; its folder is made if missing. An existing file is replaced.
        data: All bytes of the file.

    Raises:
        OSError: The disk is full, or the folder cannot be written; `path` is then untouched.
    """
    with staged_bytes(path, data):
        pass


@contextmanager
def staged_bytes(path: Path, data: bytes) -> Iterator[None]:
    """Write like `write_bytes`; the file takes its place when the block ends without an error.

    What must not be done unless `data` has room on the disk is done in the block.

    Raises:
        OSError: As `write_bytes`; before the block, unless the very renaming fails.
    """
    with new_file(path) as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
        yield


@contextmanager
def new_file(path: Path) -> Iterator[IO[bytes]]:
    """Yield an open file that becomes `path`, durably, when the block ends without an error.

    Args:
        path: The file; its folder is made if missing. An existing file is replaced.

    Raises:
        OSError: The disk is full, or the folder cannot be written; `path` is then untouched.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text like `write_bytes`."""
    write_bytes(path, text.encode())


def refuse_filled(
    path: Path,
    *,
    overwrite: bool = False,
    marker: str | None = None,
    option: str | None = "--out",
) -> None:
    """Check that an output folder may be made, before the work that fills it.

    Args:
        path: The folder to be.
        overwrite: Whether a folder that is not empty may be replaced.
        marker: The file that such a folder must hold, so that only an artefact of the same kind is
            ever replaced.
        option: What a person named it by; None: an argument of a command that never replaces.

    Raises:
        ConfigError: `path` is a file, or not empty and `overwrite` is false, or lacks the marker.
    """
    if path.exists() and not path.is_dir():
        raise ConfigError(f"{path} is a file: name a folder for the output")
    if path.exists() and any(path.iterdir()) and not overwrite:
        way = f"choose another {option}, or add --overwrite" if option else "name another folder"
        raise ConfigError(f"{path} is not empty: {way}")
    if marker and path.exists() and any(path.iterdir()) and not (path / marker).is_file():
        raise ConfigError(
            f"{path} holds no {marker}: --overwrite would delete what is there; choose another"
            f" {option}"
        )


@contextmanager
def new_folder(path: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Yield a temporary folder that becomes `path` when the block ends without an error.

    Args:
        path: The folder to make. Its parent is made if missing.
        overwrite: Replace an existing folder; otherwise a non-empty one is refused.

    Yields:
        The temporary folder, beside `path`, to fill.

    Raises:
        ConfigError: `path` exists, is not empty, and `overwrite` is false.
    """
    refuse_filled(path, overwrite=overwrite)
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_left(path, "new")
    temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.new."))
    descriptor = os.open(temporary, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # until it ends, nobody takes it for left over
        yield temporary
        temporary.chmod(0o755)
        _sync_tree(temporary)
        _take_the_place_of(temporary, path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    finally:
        os.close(descriptor)
    _remove_left(path, "old")  # whole, and the only one, until the new one lay in its place
    sync_folder(path.parent)


def _remove_left(path: Path, kind: str) -> None:
    """Delete temporary folders of `path` whose process was killed."""
    pattern = re.compile(rf"\.{re.escape(path.name)}\.{kind}\.[a-z0-9_]{{8}}")
    for left in path.parent.iterdir():
        if pattern.fullmatch(left.name) and _is_left(left):
            shutil.rmtree(left, ignore_errors=True)


def _is_left(folder: Path) -> bool:
    """Return whether nobody holds a temporary folder any more."""
    try:
        if time.time() - folder.stat().st_mtime < _LEFT_AFTER_S:
            return False
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return False  # gone by now, or another's
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


def _take_the_place_of(temporary: Path, path: Path) -> None:
    """Rename over `path`; an older folder steps aside first and is removed last."""
    if not path.exists():
        temporary.replace(path)
        return
    aside = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.old."))
    path.replace(aside)
    try:
        temporary.replace(path)
    except BaseException:  # Ctrl-C too: the old one is the only one
        if not path.exists():
            aside.replace(path)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _sync_tree(folder: Path) -> None:
    for path in folder.rglob("*"):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
