"""Find the files that a label source names, also where it was written on another computer."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
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
        self._index: SuffixIndex | None = None

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
        if self._index is None:
            files = (file for file in sorted(self._root.rglob("*")) if _is_image(file))
            inside = (PurePosixPath(file.relative_to(self._root).as_posix()) for file in files)
            self._index = SuffixIndex(inside)
        found, why = self._index.find(wanted)
        return (self._root / found, "") if found else (None, why)


class SuffixIndex:
    """Paths by their ends."""

    def __init__(self, paths: Iterable[PurePosixPath]) -> None:
        self._by_name: dict[str, list[PurePosixPath]] = defaultdict(list)
        for path in paths:
            self._by_name[path.name].append(path)

    def find(self, wanted: PurePosixPath) -> tuple[PurePosixPath | None, str]:
        """Return the one path with the longest common end, or None and why there is none."""
        candidates = self._by_name.get(wanted.name, [])
        if not candidates:
            return None, f"{wanted}: nothing under the data folder has this name"
        longest = max(shared_parts(wanted, path) for path in candidates)
        best = [path for path in candidates if shared_parts(wanted, path) == longest]
        if len(best) > 1:
            return None, f"{wanted}: {len(best)} files match equally well: give relative paths"
        return best[0], ""


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES


def shared_parts(wanted: PurePosixPath, path: PurePosixPath) -> int:
    """Return how many parts of two paths are equal, from the end."""
    count = 0
    for ours, theirs in zip(reversed(wanted.parts), reversed(path.parts), strict=False):
        if ours != theirs:
            break
        count += 1
    return count
