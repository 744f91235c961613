"""Adapter packs: written whole or not at all, read strictly, golden outputs computed again."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save as save_tensors

from edgeclip.contract.deltas import split_deltas
from edgeclip.contract.files import new_folder, write_bytes, write_text
from edgeclip.contract.hashing import sha256_bytes
from edgeclip.contract.pack import (
    GOLDEN_FILE,
    PACK_FILE,
    TENSORS_FILE,
    PackManifest,
    filled_for,
    read_pack_manifest,
)
from edgeclip.contract.slots import GRAPH_OUTPUTS
from edgeclip.errors import PackError
from edgeclip.tensor_file import read_tensors

if TYPE_CHECKING:
    from edgeclip.clip import Backbone

TOLERANCE = 1e-4  # of golden outputs computed again; float32 on another CPU differs by 1e-5
_MOST_GOLDEN_BYTES = 500_000_000

Floats = NDArray[np.float32]
Tensors = Mapping[str, Floats]


@dataclass(frozen=True)
class Golden:
    """Inputs with the outputs that torch computed for them.

    Attributes:
        images: `(n, S, S, 3)` uint8, RGB: synthetic ones, then frames of the training part.
        image_features: `(n, E)` float32.
        base_embedding: `(n, E)` float32.
        logits: `(n, K)` float32.
        probabilities: `(n, K)` float32.
    """

    images: NDArray[np.uint8]
    image_features: Floats
    base_embedding: Floats
    logits: Floats
    probabilities: Floats


@dataclass(frozen=True)
class Pack:
    """A pack as read: its manifest, tensors by slot name (float32) and golden outputs."""

    manifest: PackManifest
    tensors: dict[str, Floats]
    golden: Golden


def golden_outputs(images: NDArray[np.uint8], backbone: Backbone, tensors: Tensors) -> Golden:
    """Return what torch computes for inputs.

    Args:
        images: `(n, S, S, 3)` uint8, RGB.
        backbone: The frozen encoder.
        tensors: A pack's.
    """
    from edgeclip.adapters.pack_outputs import outputs_of  # torch: reading a pack does without

    outputs = outputs_of(images, backbone, tensors)
    return Golden(images, *(np.array(output.numpy(), np.float32) for output in outputs))


def pack_files(tensors: Tensors, golden: Golden) -> dict[str, bytes]:
    """Return the content of the pack's binary files, the same bits for the same values."""
    archive = io.BytesIO()
    arrays = {field.name: getattr(golden, field.name) for field in fields(golden)}
    np.savez_compressed(archive, **arrays)
    return {
        # safetensors writes the memory as it lies: a transposed array would come back scrambled.
        TENSORS_FILE: save_tensors(
            {name: np.ascontiguousarray(tensors[name]) for name in sorted(tensors)}
        ),
        GOLDEN_FILE: archive.getvalue(),
    }


def write_pack(
    folder: Path,
    manifest: PackManifest,
    files: Mapping[str, bytes],
    *,
    report: Mapping[str, str],
    overwrite: bool = False,
) -> PackManifest:
    """Write a pack whole or not at all.

    Args:
        folder: The pack to be.
        manifest: Its `files` are filled in here.
        files: What `pack_files` gave.
        report: Content of `report/` by file name.
        overwrite: Replace an existing folder.

    Returns:
        The manifest as written.

    Raises:
        ConfigError: `folder` is not empty and `overwrite` is false.
    """
    hashes = {name: sha256_bytes(data) for name, data in files.items()}
    written = manifest.model_copy(update={"files": hashes})
    with new_folder(folder, overwrite=overwrite) as temporary:
        for name, data in files.items():
            write_bytes(temporary / name, data)
        for name, text in report.items():
            write_text(temporary / "report" / name, text)
        write_text(temporary / PACK_FILE, written.to_json())
    return written


def load_pack(folder: Path) -> Pack:
    """Return a pack after checking hashes, names, shapes and values.

    Args:
        folder: With `pack.json` in it.

    Raises:
        PackError: Missing, damaged, of another format version, or with tensors that do not fit.
    """
    manifest = read_pack_manifest(folder)
    tensors = _checked_tensors(folder / TENSORS_FILE, manifest)
    return Pack(manifest, tensors, _read_golden(folder / GOLDEN_FILE, manifest))


def check_backbone(manifest: PackManifest, backbone: Backbone) -> None:
    """Check that a pack belongs to an encoder.

    Raises:
        PackError: It was trained on other weights, or with another preprocessing.
    """
    own, found = manifest.base, backbone.base
    if own.weights_sha256 != found.weights_sha256:
        raise PackError(
            f"the pack was trained on {own.arch}/{own.pretrained}"
            f" ({own.weights_sha256[:12]}), not on {found.arch}/{found.pretrained}"
            f" ({found.weights_sha256[:12]}): name that backbone"
        )
    if manifest.preprocess != backbone.preprocess:
        raise PackError("the pack's preprocessing is not this backbone's: train the pack again")


def check_golden(pack: Pack, backbone: Backbone) -> float:
    """Compute the golden outputs again and return the largest difference.

    Raises:
        PackError: Another encoder, or a difference above 1e-4.
    """
    check_backbone(pack.manifest, backbone)
    again = golden_outputs(pack.golden.images, backbone, pack.tensors)
    worst = 0.0
    for name in GRAPH_OUTPUTS:
        stored, computed = getattr(pack.golden, name), getattr(again, name)
        difference = float(np.abs(stored - computed).max())
        if not difference <= TOLERANCE * max(1.0, float(np.abs(computed).max())):
            raise PackError(
                f"golden {name} differ by {difference:.2g} from what the pack's tensors give"
                " (tolerance 1e-4): the pack is damaged, train it again"
            )
        worst = max(worst, difference)
    return worst


def _checked_tensors(path: Path, manifest: PackManifest) -> dict[str, Floats]:
    tensors = read_tensors(path)
    shapes = {name: list(tensor.shape) for name, tensor in tensors.items()}
    if shapes != manifest.slots:
        raise PackError(
            f"{path}: tensors {sorted(shapes)} are not those of {PACK_FILE}"
            f" {sorted(manifest.slots)}, by name and shape: copy the pack again"
        )
    if wrong := sorted(name for name, tensor in tensors.items() if tensor.dtype != np.float32):
        raise PackError(f"{path}: {', '.join(wrong)} are not float32: train the pack again")
    slots, deltas = split_deltas(tensors)
    if wrong := sorted(name for name, delta in deltas.items() if not np.isfinite(delta).all()):
        raise PackError(f"{path}: {wrong[0]} holds values that are not finite: train it again")
    filled = filled_for(manifest.graph, manifest.base, slots)
    if filled["class_weights"].shape[1] != len(manifest.column_class):
        raise PackError(f"{path}: class_weights and column_class differ in columns")
    return {name: {**filled, **deltas}[name] for name in tensors}


def _read_golden(path: Path, manifest: PackManifest) -> Golden:
    try:
        with zipfile.ZipFile(path) as archive:  # before NumPy, which would unpack any size
            size_bytes = sum(item.file_size for item in archive.infolist())
        if size_bytes > _MOST_GOLDEN_BYTES:
            raise PackError(f"{path} unpacks to {size_bytes / 1e6:.0f} MB: this is no golden file")
        with np.load(path, allow_pickle=False) as archive:
            arrays = {field.name: np.asarray(archive[field.name]) for field in fields(Golden)}
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise PackError(f"{path} holds no golden outputs ({error}): copy the pack again") from error
    _check_golden_shapes(path, arrays, manifest)
    return Golden(**arrays)


def _check_golden_shapes(
    path: Path, arrays: Mapping[str, NDArray[np.generic]], manifest: PackManifest
) -> None:
    base, columns = manifest.base, len(manifest.column_class)
    size, n = base.image_size, arrays["images"].shape[0] if arrays["images"].ndim else 0
    expected = {
        "images": ((n, size, size, 3), np.uint8),
        "image_features": ((n, base.embed_dim), np.float32),
        "base_embedding": ((n, base.embed_dim), np.float32),
        "logits": ((n, columns), np.float32),
        "probabilities": ((n, columns), np.float32),
    }
    for name, (shape, kind) in expected.items():
        found = arrays[name]
        fits = n > 0 and found.shape == shape and found.dtype == kind
        if not fits or not np.isfinite(found).all():
            raise PackError(
                f"{path}: {name} is {found.shape} {found.dtype}, expected finite {shape}"
            )
