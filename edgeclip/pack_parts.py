"""The adapters of a pack, each apart: `parts.safetensors` beside the bound tensors.

    start/class_weights, start/class_bias, start/logit_scale     the class matrix of the prompts
    <number>/class_weights, <number>/class_bias                  what adapter <number> added to it

An adapter's own slots lie in `adapter.safetensors`; `pack.json` says whose they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save as save_tensors

from edgeclip.adapters.stored import Stored, compose
from edgeclip.contract.pack import PARTS_FILE, AdapterPart, PackManifest
from edgeclip.errors import PackError
from edgeclip.tensor_file import read_tensors

Tensors = Mapping[str, NDArray[np.float32]]
_START = ("class_weights", "class_bias", "logit_scale")


def adapter_records(parts: Sequence[Stored]) -> list[AdapterPart]:
    """Return what `pack.json` says of a pack's adapters."""
    return [
        AdapterPart(
            kind=part.kind, fusion_class=part.fusion, slots=sorted(part.slots),
            moves=sorted(part.moves),
        )
        for part in parts
    ]  # fmt: skip


def parts_bytes(start: Tensors, parts: Sequence[Stored]) -> bytes:
    """Return the content of `parts.safetensors`, the same bits for the same values.

    Args:
        start: class_weights, class_bias and logit_scale of the prompts.
        parts: In their order.
    """
    tensors = {f"start/{name}": np.ascontiguousarray(start[name]) for name in _START}
    for number, part in enumerate(parts):
        tensors |= {
            f"{number}/{name}": np.ascontiguousarray(move) for name, move in part.moves.items()
        }
    return bytes(save_tensors(dict(sorted(tensors.items()))))


def read_parts(
    folder: Path, manifest: PackManifest, tensors: Tensors
) -> tuple[dict[str, NDArray[np.float32]], list[Stored]]:
    """Return the start and the adapters of a pack; together they are its tensors, bit for bit.

    Args:
        folder: The pack.
        manifest: As read and checked.
        tensors: Of `adapter.safetensors`.

    Raises:
        PackError: The pack does not say what its adapters are, or they do not add up to it.
    """
    if PARTS_FILE not in manifest.files:
        raise PackError(f"{folder} does not say what its adapters are: train it again")
    moves = read_tensors(folder / PARTS_FILE)
    start = {name: moves[f"start/{name}"] for name in _START if f"start/{name}" in moves}
    try:
        stored = [
            Stored(
                record.kind,
                record.fusion_class,
                {name: tensors[name] for name in record.slots},
                {name: moves[f"{number}/{name}"] for name in record.moves},
            )
            for number, record in enumerate(manifest.adapters)
        ]
        whole = compose(start, stored)
    except KeyError as error:
        raise PackError(
            f"{folder}: {error} of an adapter is missing: copy the pack again"
        ) from error
    same = whole.keys() == tensors.keys() - {"temperature"} and all(
        np.array_equal(whole[name], tensors[name]) for name in whole
    )
    if not same:
        raise PackError(f"{folder}: its adapters do not add up to its tensors: train it again")
    return start, stored
