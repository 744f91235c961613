"""A gate over packs, learned from what the packs carry; no pack's file is written or changed.

Packs are put together long after their training, often elsewhere, where their images are not. Each
carries the embeddings of some of its training images, and these teach the gate; of a pack of older
software its prototypes do. Thresholds stay those of the packs: the gate says which of several packs
answers, never that an image is of any of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from safetensors.numpy import save
from torch.nn.functional import normalize

from edgeclip.adapters.router import GateSettings, train_gate
from edgeclip.contract.gate import (
    GATE_FILE,
    GATE_TENSORS_FILE,
    GateManifest,
    GateRow,
    StoredGate,
    gate_tensors,
)
from edgeclip.contract.hashing import sha256_bytes
from edgeclip.contract.routing import RouterRow
from edgeclip.errors import ConfigError


@dataclass(frozen=True)
class LearnedGate:
    """A gate that was just learned.

    Attributes:
        stored: As it will be read.
        files: Content of its files, by their names.
        right: Of the embeddings that taught it, those that it sends to their own pack.
        samples: How many taught it.
    """

    stored: StoredGate
    files: dict[str, bytes]
    right: int
    samples: int


def learn_gate(
    rows: Sequence[RouterRow],
    sha256: Sequence[str],
    *,
    base_sha256: str,
    settings: GateSettings | None = None,
) -> LearnedGate:
    """Return a gate between the packs that no static keys choose; the same packs give the same one.

    Args:
        rows: One a pack.
        sha256: Of each one's `pack.json`.
        base_sha256: Of the encoder that they share.
        settings: How; `k` is the number of packs that answer for an image.

    Raises:
        ConfigError: There is nothing to choose between, or k is more than the packs.
    """
    chosen = settings or GateSettings()
    free = [(row, own) for row, own in zip(rows, sha256, strict=True) if not row.static]
    _refuse(free, chosen.k)
    taught = [row.keys if row.samples is None else row.samples for row, _ in free]
    samples = torch.from_numpy(np.concatenate(taught))
    counts = torch.tensor([len(own) for own in taught])
    owners = torch.repeat_interleave(torch.arange(len(free)), counts)
    base = normalize(samples, dim=1)
    gate = train_gate(base, owners, chosen)
    with torch.no_grad():
        keys = normalize(gate.keys, dim=1).numpy().astype(np.float32)
        scale, bias = float(gate.log_scale.exp()), gate.bias.numpy().astype(np.float32)
    tensors = save(gate_tensors(keys, scale, bias))
    manifest = GateManifest(
        k=chosen.k,
        base_sha256=base_sha256,
        packs=[_row(row, own) for row, own in free],
        balance=chosen.balance,
        steps=chosen.steps,
        tensors_sha256=sha256_bytes(tensors),
    )
    stored = StoredGate(manifest, keys, scale, bias)
    bound = stored.for_packs([row for row, _ in free], [own for _, own in free], "the new set")
    right = int((bound.scores(base.numpy()).argmax(axis=1) == owners.numpy()).sum())
    files = {GATE_FILE: manifest.to_json().encode(), GATE_TENSORS_FILE: tensors}
    return LearnedGate(stored, files, right, len(owners))


def _row(row: RouterRow, sha256: str) -> GateRow:
    by_images = row.samples is not None
    count = len(row.keys if row.samples is None else row.samples)
    kind: Literal["images", "prototypes"] = "images" if by_images else "prototypes"
    return GateRow(name=row.name, sha256=sha256, samples=count, taught_by=kind)


def _refuse(free: Sequence[tuple[RouterRow, str]], k: int) -> None:
    if len(free) < 2:
        named = ", ".join(row.name for row, _ in free) or "none"
        raise ConfigError(
            f"--gate learned chooses between packs without static keys, and here that is {named}:"
            " name two or more, or leave it out"
        )
    if not 1 <= k <= len(free):
        raise ConfigError(f"--top-k {k}: the gate chooses between {len(free)} packs")
    hashes = [own for _, own in free]
    if len(set(hashes)) < len(hashes):
        raise ConfigError("--gate learned: the same pack stands twice in the set: leave one out")
