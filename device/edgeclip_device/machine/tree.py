"""Read a machine's small files under a root, so that a fake tree is read like a real one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_MOST_BYTES = 1_000_000


@dataclass(frozen=True)
class Tree:
    """A file system: the machine's own, or one that lies in a folder.

    Attributes:
        root: What stands for `/`.
    """

    root: Path = Path("/")

    def path(self, name: str) -> Path:
        """Return where an absolute path lies."""
        return self.root / name.lstrip("/")

    def text(self, name: str | Path) -> str | None:
        """Return a file's text without white space around it, or None where it cannot be read."""
        path = self.path(name) if isinstance(name, str) else name
        try:
            with path.open("rb") as file:
                return file.read(_MOST_BYTES).decode("utf-8", "replace").strip("\0 \n\t")
        except OSError:  # also EAGAIN of a sensor that is switched off
            return None

    def number(self, name: str | Path) -> float | None:
        """Return the number that a file holds, or None."""
        try:
            return float(self.text(name) or "")
        except ValueError:
            return None

    def glob(self, pattern: str) -> list[Path]:
        """Return what matches an absolute pattern, sorted."""
        return sorted(self.root.glob(pattern.lstrip("/")))
