"""What is the same of several packs on any runtime: who answers for a view, and who decides."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from edgeclip.archive.answering import Answer, Views, distances_of
from edgeclip.archive.deciding import Deciders
from edgeclip.contract.familiarity import Familiar
from edgeclip.contract.pack import PackManifest
from edgeclip.contract.routing import RouterRow
from edgeclip.routed_packs import RoutedPacks

CellsOf = Callable[[int, "str | None"], "NDArray[np.float32] | None"]
"""Scores of a view's cells, by its row and by the pack that answered."""


class SeveralPacks:
    """Several packs of one encoder; each view is answered by the packs that its frame is for.

    Args:
        packs: As read.
        runtime: And its precision.
    """

    unsaid: Sequence[str] = ()

    def __init__(self, packs: RoutedPacks, runtime: str) -> None:
        self.packs = packs
        self.deciders = Deciders({name: pack.manifest for name, pack in packs.packs.items()})
        self.familiar, self.banks = Familiar.of(packs.rows), packs.banks
        named = (f"{name}@{pack.manifest.version}" for name, pack in packs.packs.items())
        self.name = f"{', '.join(named)} {runtime}"

    @property
    def manifest(self) -> PackManifest:
        """Of the first pack; classes and preprocessing are those of all."""
        return self.packs.manifest

    @property
    def rows(self) -> Sequence[RouterRow]:
        """One a pack."""
        return self.packs.rows

    def routed(self, base: NDArray[np.float32], views: Views, cells_of: CellsOf) -> list[Answer]:
        """Return an answer for each view.

        Args:
            base: `(B, E)` float32 of the untouched encoder, unit norm.
            views: What they are of.
            cells_of: Tells of cells.
        """
        chosen_by = None if views.frames is None else base[list(views.frames)]
        said = self.packs.answer(base, views.facts, chosen_by=chosen_by)
        distances = distances_of(self.familiar, base)
        asked = base if self.banks else [None] * len(base)
        rows = zip(said.probabilities, said.chosen, asked, distances, strict=True)
        return [
            Answer(row, chosen, features, cells_of(number, chosen), distance)
            for number, (row, chosen, features, distance) in enumerate(rows)
        ]
