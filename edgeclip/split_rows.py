"""One image of a split as its table says it, and what the parts of a split are for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Part = Literal["train", "validation", "test", "test_seen"]
PARTS: Final[tuple[Part, ...]] = ("train", "validation", "test", "test_seen")
LEARNED_FROM: Final[frozenset[Part]] = frozenset(PARTS[:2])
TESTED: Final[frozenset[Part]] = frozenset(PARTS[2:])


@dataclass(frozen=True)
class SplitRow:
    """One image of a split's table: its part, and what else the table says of it.

    Attributes:
        part: Which part it is in.
        location: Or None.
        class_name: Or empty, like the following.
        sequence: As the data set named it.
        file: Its name.
    """

    part: Part
    location: str | None
    class_name: str = ""
    sequence: str = ""
    file: str = ""
