"""The attributes of a pack as the trainer's commands ask them."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError
from safetensors.numpy import load

from edgeclip.contract.attribute_answers import AttributeBank
from edgeclip.contract.attributes import ATTRIBUTE_TENSORS_FILE, read_attributes
from edgeclip.contract.pack import PackManifest
from edgeclip.contract.slots import reaches_inside
from edgeclip.errors import PackError


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
    return None if folds or reaches_inside(manifest.slots) else read_bank(folder, manifest)


def read_bank(folder: Path, manifest: PackManifest) -> AttributeBank | None:
    """Return a pack's attributes; None where it has none.

    Args:
        folder: The pack's, whose hashes were checked.
        manifest: Of the pack.

    Raises:
        PackError: One of its two files is damaged, or they do not belong together.
    """
    asked = read_attributes(folder, manifest)
    if asked is None:
        return None
    path = folder / ATTRIBUTE_TENSORS_FILE
    try:
        tensors = load(path.read_bytes())
    except (OSError, SafetensorError, ValueError) as error:
        raise PackError(f"{path} holds no readable tensors ({error}): copy it again") from error
    return AttributeBank.of(asked, tensors, manifest.base)
