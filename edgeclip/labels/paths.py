"""Find the files that a label source names, also where it was written on another computer."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path, PurePosixPath

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif"})
VIDEO_SUFFIXES = frozenset({".mp4", ".avi", ".mov", ".mkv", ".m4v", ".mpg", ".wmv", ".asf", ".3gp"})
_ABSOLUTE = re.compile(r"^(?:[A-Za-z]:)?/")
_LITTER = {"thumbs.db", "desktop.ini", "__macosx", "@eadir"}  # of Windows, macOS and Synology


def is_litter(name: str) -> bool:
    """Say whether a file or folder is hidden or left behind by an operating system."""
    return name.startswith(".") or name.casefold() in _LITTER


class PathFinder:
    """Resolve the paths of a label source against one root folder.

    A relative path stays below the root; an absolute one of another computer is matched by its
    longest suffix that exactly one image under the root has.
    """

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()
        self._by_name: dict[str, list[PurePosixPath]] | None = None

    def find(self, written: str) -> tuple[Path | None, str]:
        """Return the file and an empty text, or None and why there is none.

        Args:
            written: The path as the source has it; slashes or backslashes.
        """
        posix = written.strip().replace("\\", "/")
        if not posix or "\0" in posix:
            return None, "the path is empty or holds a NUL"
        suffix = PurePosixPath(posix).suffix.lower()
        if suffix in VIDEO_SUFFIXES:
            return None, f"{written}: a video: images are read"
        try:
            return self._find(posix, written)
        except (OSError, RuntimeError, ValueError):  # too long, a loop of links, lone surrogates
            return None, f"{written[:80]}: no path on this computer"

    def find_named(self, written: str) -> tuple[Path | None, str]:
        """Return the file at a path, else the one file under the root that ends like it."""
        path, why = self.find(written)
        if path is None and written.strip() and "leaves the data" not in why:
            posix = PurePosixPath(written.strip().replace("\\", "/"))
            by_name, _ = self._by_suffix(posix)
            return (by_name, "") if by_name else (None, why)
        return path, why

    def _find(self, posix: str, written: str) -> tuple[Path | None, str]:
        if _ABSOLUTE.match(posix):
            own = Path(posix)
            if own.is_file() and own.resolve().is_relative_to(self._root):
                return own, ""
            return self._by_suffix(PurePosixPath(posix))
        path = self._root / posix
        if not path.resolve().is_relative_to(self._root):
            return None, f"{written} leaves the data folder"
        return (path, "") if path.is_file() else (None, f"{written}: no such file")

    def _by_suffix(self, wanted: PurePosixPath) -> tuple[Path | None, str]:
        candidates = self._index().get(wanted.name, [])
        if not candidates:
            return None, f"{wanted}: nothing under the data folder has this name"
        longest = max(_shared(wanted, path) for path in candidates)
        best = [path for path in candidates if _shared(wanted, path) == longest]
        if len(best) > 1:
            return None, f"{wanted}: {len(best)} files match equally well: give relative paths"
        return self._root / best[0], ""

    def _index(self) -> dict[str, list[PurePosixPath]]:
        if self._by_name is None:
            self._by_name = defaultdict(list)
            for path in sorted(self._root.rglob("*")):
                if path.suffix.lower() in IMAGE_SUFFIXES:
                    relative = PurePosixPath(path.relative_to(self._root).as_posix())
                    self._by_name[path.name].append(relative)
        return self._by_name


def _shared(wanted: PurePosixPath, path: PurePosixPath) -> int:
    """Count the equal parts of two paths, from the end."""
    count = 0
    for ours, theirs in zip(reversed(wanted.parts), reversed(path.parts), strict=False):
        if ours != theirs:
            break
        count += 1
    return count
