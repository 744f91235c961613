"""The three parts of a split, as tests hand them on."""

from __future__ import annotations

from dataclasses import dataclass

from edgeclip.parts import PartData


@dataclass(frozen=True)
class Parts:
    """The three parts of a split as features."""

    training: PartData
    validation: PartData
    test: PartData
