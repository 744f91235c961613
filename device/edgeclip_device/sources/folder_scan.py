"""Looks through a folder and its subfolders for files that were not read yet."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from edgeclip_device.sources.done_files import Stamp

_HALF_WRITTEN = {".part", ".partial", ".tmp", ".temp", ".filepart", ".crdownload"}
_DIGITS = re.compile(r"(\d+)")


@dataclass(frozen=True)
class Found:
    """A file.

    Attributes:
        path: Relative to the folder that is looked through.
        stamp: Its size and time of change.
    """

    path: Path
    stamp: Stamp


def scan(folder: Path, known: Callable[[Path], dict[str, Stamp]]) -> Iterator[Found]:
    """Give the regular files that are not known, folder by folder, in the order of their names.

    Links are passed over: what they name may be anywhere. So are hidden files, and those that
    are named as half written; a folder that cannot be read is empty.

    Args:
        folder: What to look through.
        known: Returns what is known of a folder, named relative to that.
    """
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted((name for name in folders if not name.startswith(".")), key=_order)
        relative = Path(parent).relative_to(folder)
        done = known(relative)
        for name in sorted(names, key=_order):
            stamp = stamp_of(Path(parent) / name) if _counts(name) else None
            if stamp is not None and done.get(name) != stamp:
                yield Found(relative / name, stamp)


def stamp_of(path: Path) -> Stamp | None:
    """Return a regular file's size and time of change; None where there is none."""
    try:
        facts = path.lstat()
    except OSError:  # taken away meanwhile
        return None
    return (facts.st_size, facts.st_mtime_ns) if stat.S_ISREG(facts.st_mode) else None


def _counts(name: str) -> bool:
    return not name.startswith(".") and Path(name).suffix.lower() not in _HALF_WRITTEN


def _order(name: str) -> list[tuple[int, str]]:
    """Return a key by which IMG_9 comes before IMG_10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in _DIGITS.split(name)]
