"""A snapshot that is larger than a message goes in parts, and goes on where the link broke."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Part:
    """One part of a snapshot: number `part` of `parts`, from 1."""

    sha256: str
    part: int
    parts: int

    @property
    def name(self) -> str:
        """The last level of its topic."""
        return f"{self.part}-{self.parts}"


@dataclass
class Parting:
    """A snapshot on its way.

    Attributes:
        path: Its file.
        topic: Of the whole; each part has a level more.
        attempts: How often the whole was sent before.
        size_bytes: Of the file.
        part_bytes: Of each part but the last.
        waiting: Numbers of the parts that are not sent yet, the next one last.
        open: How many are not acknowledged.
    """

    sha256: str
    path: Path
    topic: str
    attempts: int
    size_bytes: int
    part_bytes: int
    waiting: list[int] = field(default_factory=list)
    open: int = 0

    @property
    def parts(self) -> int:
        """How many there are in all."""
        return parts_of(self.size_bytes, self.part_bytes)

    def begin(self, done: set[int]) -> None:
        """Line up all parts but those that the broker has."""
        self.waiting = [n for n in range(self.parts, 0, -1) if n not in done]
        self.open = len(self.waiting)

    def next_size(self) -> int:
        """Return how large the next part is."""
        offset = (self.waiting[-1] - 1) * self.part_bytes
        return min(self.part_bytes, self.size_bytes - offset)

    def take(self) -> tuple[Part, bytes]:
        """Return the next part.

        Raises:
            OSError: The file is gone or cut short.
        """
        number = self.waiting.pop()
        with self.path.open("rb") as file:
            file.seek((number - 1) * self.part_bytes)
            data = file.read(self.part_bytes)
        if not data:
            raise FileNotFoundError(f"{self.path} is cut short")
        return Part(self.sha256, number, self.parts), data


def parts_of(size_bytes: int, part_bytes: int) -> int:
    """Return in how many parts a file goes."""
    return max(1, -(-size_bytes // part_bytes))
