"""The attributes of a pack as the trainer's commands ask them."""

from __future__ import annotations

from pathlib import Path

from edgeclip.contract.attribute_answers import AttributeBank
from edgeclip.contract.pack import PackManifest
from edgeclip.contract.slots import reaches_inside
from edgeclip.tensor_file import read_tensors


def untouched_bank(
    folder: Path, manifest: PackManifest, *, baked: bool = False
) -> AttributeBank | None:
    """Return a pack's attributes where its runtime gives the features that they are answered on.

    Args:
        folder: The pack's, whose hashes were checked.
        manifest: Of the pack.
        baked: Whether it is baked into a graph, whose features are behind the projection's change.

    Raises:
        PackError: One of the two files is damaged.
    """
    folds = baked and "projection_delta" in manifest.slots
    if folds or reaches_inside(manifest.slots):
        return None
    return AttributeBank.read(folder, manifest, read_tensors)
