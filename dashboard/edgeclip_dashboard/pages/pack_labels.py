"""Names of packs in a list to choose from: where two are the same, when each came and its hash."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Final

from edgeclip_dashboard import wording

_SHORT: Final = 12  # digits of a hash, as the list of packs shows them


@dataclass(frozen=True)
class Choice:
    """One line of a list.

    Attributes:
        key: What is chosen by it.
        name: Of the packs, as task@version.
        sha256: Of the delivery that has them.
        came_at: When that came, aware UTC.
    """

    key: str
    name: str
    sha256: str
    came_at: datetime


def labels(choices: Iterable[Choice], zone: tzinfo | None) -> dict[str, str]:
    """Return the text of each line by its key, in order; no two are the same.

    Args:
        choices: The lines.
        zone: The clock by which it is said when one came; None is UTC.
    """
    lines = list(choices)
    count = Counter(one.name for one in lines)
    return {
        one.key: one.name
        if count[one.name] == 1
        else f"{one.name}, here since {wording.local(one.came_at, zone)}, {one.sha256[:_SHORT]}"
        for one in lines
    }
