"""A learned gate over packs, as it is stored and read: `gate.json` and `gate.safetensors`.

It lies in a set of packs, and in a bundle that was made of one. A row is known by the hash of its
pack's `pack.json`, so that a gate never chooses a pack that it was not trained with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from edgeclip.contract.hashing import sha256_file
from edgeclip.contract.pack import Part, Sha256, TaskName
from edgeclip.contract.routing import Gate, RouterRow
from edgeclip.contract.versioned import read_versioned_file
from edgeclip.errors import PackError

GATE_SCHEMA: Final = "edgeclip.gate/1"
GATE_FILE = "gate.json"
GATE_TENSORS_FILE = "gate.safetensors"
MOST_PACKS = 8

ReadTensors = Callable[[Path], dict[str, NDArray[np.float32]]]


class MayHaveGate(Part):
    """A part with a field `gate`, which is left out where there is none.

    Software that knows no gates then reads it still, and refuses what has one.
    """

    @model_serializer(mode="wrap")
    def _without_an_absent_gate(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        told: dict[str, Any] = handler(self)
        return {name: value for name, value in told.items() if name != "gate" or value is not None}


class GateRow(Part):
    """What a gate was trained with of one pack."""

    name: TaskName
    sha256: Sha256 = Field(description="Of the pack's pack.json.")
    samples: int = Field(ge=1, description="Embeddings of it that taught the gate.")
    taught_by: Literal["images", "prototypes"] = Field(
        description="Some of its training images; of a pack of older software its prototypes."
    )


class GateManifest(Part):
    """`gate.json`."""

    schema_: Literal["edgeclip.gate/1"] = Field(GATE_SCHEMA, alias="schema")
    k: int = Field(1, ge=1, le=MOST_PACKS, description="Packs that answer for an image.")
    base_sha256: Sha256 = Field(description="Of the encoder's weights.")
    packs: list[GateRow] = Field(min_length=2, max_length=MOST_PACKS)
    balance: float = Field(ge=0, description="Weight of the load-balance term in its loss.")
    steps: int = Field(ge=1)
    tensors_sha256: Sha256

    @model_validator(mode="after")
    def _consistent(self) -> GateManifest:
        if len({row.sha256 for row in self.packs}) < len(self.packs):
            raise ValueError("a pack has two rows")
        if self.k > len(self.packs):
            raise ValueError(f"k is {self.k}, and there are {len(self.packs)} packs")
        return self

    def to_json(self) -> str:
        """Return it as indented JSON, ended by a newline."""
        return self.model_dump_json(by_alias=True, indent=2) + "\n"


@dataclass(frozen=True)
class StoredGate:
    """A gate as read.

    Attributes:
        manifest: What it is.
        keys: `(P, E)` float32, unit rows, in the order of `manifest.packs`.
        scale: > 0.
        bias: `(P,)` float32.
    """

    manifest: GateManifest
    keys: NDArray[np.float32]
    scale: float
    bias: NDArray[np.float32]

    def for_packs(self, rows: Sequence[RouterRow], sha256: Sequence[str], where: str) -> Gate:
        """Return the gate in the order of packs; it may know more of them.

        Packs that static keys choose need no row, and neither do those that nothing is near to.

        Args:
            rows: One a pack.
            sha256: Of each one's `pack.json`.
            where: Names set or bundle in the error.

        Raises:
            PackError: A pack that the gate would have to choose has no row.
        """
        known = {row.sha256: index for index, row in enumerate(self.manifest.packs)}
        keys = np.zeros((len(rows), self.keys.shape[1]), np.float32)
        bias = np.zeros(len(rows), np.float32)
        for place, (row, own) in enumerate(zip(rows, sha256, strict=True)):
            if own in known:
                keys[place], bias[place] = self.keys[known[own]], self.bias[known[own]]
            elif not row.static and row.threshold > 0:
                raise PackError(
                    f"{where}: the learned gate has no row for this {row.name}: put the set"
                    " together again with `edgeclip pack compose --gate learned`"
                )
        return Gate(keys, self.scale, bias, self.manifest.k)


def read_gate(
    folder: Path, read_tensors: ReadTensors, *, base_sha256: str, embed_dim: int
) -> StoredGate:
    """Return the gate that lies in a folder, after all checks but those of its packs.

    Args:
        folder: With `gate.json` and `gate.safetensors`.
        read_tensors: Reads the second.
        base_sha256: The encoder's.
        embed_dim: E of it.

    Raises:
        PackError: A file is missing, altered, of another version, or no gate of this encoder.
    """
    path = folder / GATE_FILE
    manifest = _read_manifest(path)
    tensors_path = folder / GATE_TENSORS_FILE
    try:
        intact = sha256_file(tensors_path) == manifest.tensors_sha256
    except OSError as error:
        raise PackError(f"{tensors_path} is missing or unreadable: copy it again") from error
    if not intact:
        raise PackError(f"{tensors_path} was altered or cut short (SHA-256 differs): copy it again")
    if manifest.base_sha256 != base_sha256:
        raise PackError(f"{path} is of another encoder: put the set together again")
    keys, scale, bias = _checked(read_tensors(tensors_path), tensors_path)
    expected = (len(manifest.packs), embed_dim), (1,), (len(manifest.packs),)
    if (keys.shape, scale.shape, bias.shape) != expected:
        raise PackError(
            f"{tensors_path}: keys {keys.shape}, scale {scale.shape}, bias {bias.shape}; expected"
            f" {', '.join(map(str, expected))}: put the set together again"
        )
    return StoredGate(manifest, keys, float(scale[0]), bias)


def gate_tensors(
    keys: NDArray[np.float32], scale: float, bias: NDArray[np.float32]
) -> dict[str, NDArray[np.float32]]:
    """Return what `gate.safetensors` holds, by name."""
    return {"gate_keys": keys, "gate_scale": np.array([scale], np.float32), "gate_bias": bias}


def _read_manifest(path: Path) -> GateManifest:
    remedies = "put the set together again", "update edgeclip on this machine"
    return read_versioned_file(
        path, GateManifest, schema=GATE_SCHEMA, what="gate", remedies=remedies
    )


def _checked(
    tensors: Mapping[str, NDArray[np.float32]], path: Path
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Return keys, scale and bias of the right type, finite, the scale above 0."""
    wanted = ("gate_keys", "gate_scale", "gate_bias")
    if set(tensors) != set(wanted):
        raise PackError(f"{path} holds {', '.join(sorted(tensors))}; a gate is {', '.join(wanted)}")
    for name in wanted:
        own = tensors[name]
        if own.dtype != np.float32 or not np.isfinite(own).all():
            raise PackError(f"{path}: {name} is not finite float32: put the set together again")
    keys, scale, bias = (tensors[name] for name in wanted)
    if not (scale > 0).all():
        raise PackError(f"{path}: gate_scale is not above 0: put the set together again")
    return keys, scale, bias
