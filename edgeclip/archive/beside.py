"""What is answered on the untouched encoder's features, beside the class of an image."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgeclip.contract.attribute_answers import AttributeBank
from edgeclip.contract.familiarity import Familiar
from edgeclip.contract.pack import PackManifest
from edgeclip.contract.router_rows import read_row
from edgeclip.contract.slots import reaches_inside
from edgeclip.tensor_file import read_tensors


@dataclass(frozen=True)
class Beside:
    """Of one pack.

    Attributes:
        attributes: What it asks in words, or None.
        familiar: What it has seen, or None.
    """

    attributes: AttributeBank | None = None
    familiar: Familiar | None = None

    @staticmethod
    def read(folder: Path, manifest: PackManifest, *, baked: bool = False) -> Beside:
        """Return what a pack brings; nothing where its runtime does not give those features.

        Args:
            folder: The pack's, whose hashes were checked.
            manifest: Of the pack.
            baked: Whether it is baked into a graph, which gives features behind its projection.

        Raises:
            PackError: One of its files is damaged.
        """
        folds = baked and "projection_delta" in manifest.slots
        if folds or reaches_inside(manifest.slots):
            return Beside()
        row = read_row(manifest.task, folder, manifest, {}, read_tensors)
        return Beside(AttributeBank.read(folder, manifest, read_tensors), Familiar.of([row]))
