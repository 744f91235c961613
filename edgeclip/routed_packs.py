"""Several packs of one encoder and the same classes, put together; each answers for its images.

A pack brings its own router row (`router.safetensors`, made from its own training images), so packs
are put together and taken out without any of them being trained again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from edgeclip.contract.attribute_answers import AttributeBank
from edgeclip.contract.gate import StoredGate, read_gate
from edgeclip.contract.hashing import sha256_file
from edgeclip.contract.pack import PACK_FILE, ROUTER_FILE, PackManifest
from edgeclip.contract.postprocess import class_probabilities, softmax
from edgeclip.contract.router_rows import read_row
from edgeclip.contract.routing import Gate, RouterRow, pack_logits, share_out
from edgeclip.contract.slots import reaches_inside
from edgeclip.errors import PackError
from edgeclip.pack_parts import read_parts
from edgeclip.packs import Pack, load_pack
from edgeclip.set_files import NamedPack, read_set
from edgeclip.tensor_file import read_tensors

_LEAST = 1e-30  # under the logarithm


@dataclass(frozen=True)
class Answers:
    """What a set of packs says of n images.

    Attributes:
        chosen: Name of the pack that answered, of several the one that weighs most; None for the
            prompts alone.
        logits: `(n, K)` float32; of several packs the logarithm of their mixed probabilities.
        probabilities: `(n, C)` float32, calibrated by each pack's temperature.
        shares: What each pack's answer weighs, by its name; empty for the prompts alone.
    """

    chosen: list[str | None]
    logits: NDArray[np.float32]
    probabilities: NDArray[np.float32]
    shares: list[dict[str, float]] = field(default_factory=list)


@dataclass(frozen=True)
class RoutedPacks:
    """A set of packs as read.

    Attributes:
        packs: By name, in order.
        rows: One a pack, in their order.
        zero_shot: The class matrix of the prompts, which all share.
        gate: Learned, in their order; None where prototypes choose.
        fallback: Index of the pack that answers where none is for an image; None: the prompts.
        banks: What packs ask in words of the images that they answer for, by their names.
    """

    packs: Mapping[str, Pack]
    rows: Sequence[RouterRow]
    zero_shot: Mapping[str, NDArray[np.float32]]
    gate: Gate | None = None
    fallback: int | None = None
    banks: Mapping[str, AttributeBank] = field(default_factory=dict)

    @property
    def manifest(self) -> PackManifest:
        """That of the first pack; encoder, classes and prompts are those of all."""
        return next(iter(self.packs.values())).manifest

    def answer(
        self,
        base: NDArray[np.float32],
        facts: Sequence[Mapping[str, str]],
        *,
        chosen_by: NDArray[np.float32] | None = None,
    ) -> Answers:
        """Return what the set says of n images, each by its packs or by the prompts alone.

        Packs that answer together are mixed: the probabilities that each one's temperature
        calibrated, by the gate's weights.

        Args:
            base: `(n, E)` float32 base embeddings, unit norm.
            facts: What is known of each image, for static keys.
            chosen_by: `(n, E)` float32 of the whole frames, where `base` has crops of them: a
                frame and its crops are answered by the same packs. None: `base` itself.
        """
        names, columns = list(self.packs), self.manifest.column_class
        shares = share_out(
            self.rows, base if chosen_by is None else chosen_by, facts, self.gate, self.fallback
        )
        logits = np.zeros((len(base), len(columns)), np.float32)
        mixed = np.zeros_like(logits)
        alone = np.array([len(own) <= 1 for own in shares])
        for number in [None, *range(len(names))]:
            weights = np.array([_weight(own, number) for own in shares], np.float32)
            if not weights.any():
                continue
            own, pack = weights > 0, None if number is None else self.packs[names[number]]
            said = pack_logits(pack.tensors if pack else self.zero_shot, base[own])
            heat = pack.manifest.temperature if pack else 1.0
            mixed[own] += weights[own, None] * softmax(said, heat)
            logits[own & alone] = said[alone[own]]
        logits[~alone] = np.log(np.maximum(mixed[~alone], _LEAST))
        return Answers(
            [names[own[0][0]] if own else None for own in shares],
            logits,
            class_probabilities(mixed, columns, max(columns) + 1),
            [{names[p]: weight for p, weight in own} for own in shares],
        )


def _weight(shares: Sequence[tuple[int, float]], number: int | None) -> float:
    """Return what a pack weighs; the prompts alone (None) where no pack does."""
    return float(not shares) if number is None else dict(shares).get(number, 0.0)


def router_bytes(row: RouterRow) -> bytes:
    """Return the content of a pack's `router.safetensors`."""
    return bytes(save({name: np.ascontiguousarray(t) for name, t in row.tensors().items()}))


def load_routed(folder: Path) -> RoutedPacks:
    """Return a set of packs, or one pack as a set of its own, after all checks.

    Raises:
        PackError: A pack is missing, altered, or does not go with the others, or the gate is not
            one of these packs.
    """
    held = read_set(folder)
    routed = checked(held.parts)
    if held.gate is None:
        return routed
    stored = gate_of(held.gate, routed.manifest)
    gate = stored.for_packs(routed.rows, hashes_of(held.parts), str(folder))
    return replace(routed, gate=gate)


def gate_of(folder: Path, manifest: PackManifest) -> StoredGate:
    """Return the gate that lies in a set.

    Args:
        folder: The set.
        manifest: Of one of its packs.

    Raises:
        PackError: As for `read_gate`.
    """
    base = manifest.base
    return read_gate(
        folder, read_tensors, base_sha256=base.weights_sha256, embed_dim=base.embed_dim
    )


def hashes_of(parts: Sequence[NamedPack]) -> list[str]:
    """Return the hash of each pack's `pack.json`, by which a gate knows it."""
    return [sha256_file(path / PACK_FILE) for _, path, _ in parts]


def checked(parts: Sequence[NamedPack]) -> RoutedPacks:
    """Return packs as a set without a gate, after checking that they go together.

    Raises:
        PackError: They do not, or one is damaged.
    """
    packs = {name: load_pack(path) for name, path, _ in parts}
    rows = [router_row_of(name, path, packs[name], keys) for name, path, keys in parts]
    first = next(iter(packs.values()))
    start, _ = read_parts(parts[0][1], first.manifest, first.tensors)
    for name, pack in packs.items():
        refuse_apart(first.manifest, name, pack)
    banks = banks_of({name: path for name, path, _ in parts}, packs)
    return RoutedPacks(packs, rows, start, banks=banks)


def banks_of(folders: Mapping[str, Path], packs: Mapping[str, Pack]) -> dict[str, AttributeBank]:
    """Return what packs ask in words, of those that do.

    Args:
        folders: Of the packs, by name.
        packs: As read.

    Raises:
        PackError: A file of it is damaged.
    """
    found = {
        name: AttributeBank.read(folders[name], pack.manifest, read_tensors)
        for name, pack in packs.items()
    }
    return {name: bank for name, bank in found.items() if bank}


def refuse_apart(first: PackManifest, name: str, pack: Pack) -> None:
    """Refuse a pack that cannot answer beside another from one pass of the encoder.

    Args:
        first: The other.
        name: Of the pack.
        pack: As read.

    Raises:
        PackError: Its encoder, classes or strips differ, or it reaches before the embedding.
    """
    if apart := why_apart(first, name, pack):
        raise PackError(f"{apart.why}: {apart.remedy}")


@dataclass(frozen=True)
class Apart:
    """Why two packs cannot answer from one pass of the encoder with one list of classes.

    Attributes:
        why: What differs.
        remedy: What whoever puts them together can do.
        by_classes: Whether it is the classes or prompts alone, which a device does not mind.
    """

    why: str
    remedy: str
    by_classes: bool = False


def why_apart(first: PackManifest, name: str, pack: Pack) -> Apart | None:
    """Return why a pack cannot answer beside another; None where it can.

    Args:
        first: The other.
        name: Of the pack.
        pack: As read.
    """
    own = pack.manifest
    name, other = f"{name} ({own.version})", f"{first.task} ({first.version})"
    if own.base.weights_sha256 != first.base.weights_sha256 or own.preprocess != first.preprocess:
        return Apart(
            f"{name} was trained on another encoder ({own.base.arch}/{own.base.pretrained}) than"
            f" {other} ({first.base.arch}/{first.base.pretrained})",
            "train both on one",
        )
    cut, firsts = ((m.strip_top_px or 0, m.strip_bottom_px or 0) for m in (own, first))
    if cut != firsts:
        return Apart(
            f"{name} was trained without {cut[0]} rows at the top and {cut[1]} at the bottom,"
            f" {other} without {firsts[0]} and {firsts[1]}",
            "train both with the same --strip-top-px and --strip-bottom-px",
        )
    moved = "projection_delta" in pack.tensors and bool(pack.tensors["projection_delta"].any())
    if moved or reaches_inside(pack.tensors):
        return Apart(
            f"{name} ({own.method}) reaches before the embedding that packs are chosen by",
            "train it with adapters of the head",
        )
    if own.prompts_sha256 != first.prompts_sha256:
        return Apart(
            f"{name} knows {', '.join(own.class_names)}, {other} knows"
            f" {', '.join(first.class_names)}, or their prompts differ",
            "name versions that know the same, or train both with the same --class and --prompt",
            by_classes=True,
        )
    return None


def router_row_of(name: str, folder: Path, pack: Pack, static: Mapping[str, str]) -> RouterRow:
    """Return which images a pack is for.

    Args:
        name: It has in a set.
        folder: The pack.
        pack: As read.
        static: What must hold of an image.

    Raises:
        PackError: It has no router row, or one of another encoder.
    """
    if ROUTER_FILE not in pack.manifest.files:
        raise PackError(
            f"{folder} has no router row that says which images it is for: train it again"
        )
    return read_row(name, folder, pack.manifest, static, read_tensors)
