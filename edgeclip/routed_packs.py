"""Several packs of one encoder and the same classes in one folder, each answering for its images.

    router.json            which packs, in order, with the hash of each and its static keys
    packs/<name>/          each pack as it was, bit for bit

A pack brings its own router row (`router.safetensors`, made from its own training images), so packs
are put together and taken out without any of them being trained again.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, TypeAdapter, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load, save

from edgeclip.contract.files import new_folder, write_text
from edgeclip.contract.hashing import sha256_file
from edgeclip.contract.pack import PACK_FILE, ROUTER_FILE, PackManifest, Part, Sha256, TaskName
from edgeclip.contract.postprocess import class_probabilities, softmax
from edgeclip.contract.routing import RouterRow, choose, pack_logits
from edgeclip.contract.slots import reaches_inside
from edgeclip.contract.validation import explain
from edgeclip.errors import ConfigError, PackError
from edgeclip.pack_parts import read_parts
from edgeclip.packs import Pack, load_pack

SET_FILE = "router.json"
_PACKS = "packs"
MOST_PACKS = 8


class RoutedPart(Part):
    """One pack of a set."""

    name: TaskName
    sha256: Sha256 = Field(description="Of its pack.json, which holds the hashes of its files.")
    static: dict[str, str] = Field(
        default_factory=dict, description="What must hold of an image; empty: prototypes decide."
    )


class RoutedSet(Part):
    """`router.json`."""

    schema_: Literal["edgeclip.router/1"] = Field("edgeclip.router/1", alias="schema")
    packs: list[RoutedPart] = Field(min_length=1, max_length=MOST_PACKS)


@dataclass(frozen=True)
class Answers:
    """What a set of packs says of n images.

    Attributes:
        chosen: Name of the pack that answered; None for the prompts alone.
        logits: `(n, K)` float32.
        probabilities: `(n, C)` float32, calibrated by that pack's temperature.
    """

    chosen: list[str | None]
    logits: NDArray[np.float32]
    probabilities: NDArray[np.float32]


@dataclass(frozen=True)
class RoutedPacks:
    """A set of packs as read.

    Attributes:
        packs: By name, in order.
        rows: One a pack, in their order.
        zero_shot: The class matrix of the prompts, which all share.
    """

    packs: Mapping[str, Pack]
    rows: Sequence[RouterRow]
    zero_shot: Mapping[str, NDArray[np.float32]]

    @property
    def manifest(self) -> PackManifest:
        """That of the first pack; encoder, classes and prompts are those of all."""
        return next(iter(self.packs.values())).manifest

    def answer(self, base: NDArray[np.float32], facts: Sequence[Mapping[str, str]]) -> Answers:
        """Return what the set says of n images, each by one pack or by the prompts alone.

        Args:
            base: `(n, E)` float32 base embeddings, unit norm.
            facts: What is known of each image, for static keys.
        """
        columns = self.manifest.column_class
        logits = np.zeros((len(base), len(columns)), np.float32)
        probabilities = np.zeros((len(base), max(columns) + 1), np.float32)
        names = list(self.packs)
        numbers = choose(self.rows, base, facts)
        for number in set(numbers):
            own = np.array([chosen == number for chosen in numbers])
            pack = None if number is None else self.packs[names[number]]
            logits[own] = pack_logits(pack.tensors if pack else self.zero_shot, base[own])
            heat = pack.manifest.temperature if pack else 1.0
            probabilities[own] = class_probabilities(
                softmax(logits[own], heat), columns, max(columns) + 1
            )
        return Answers([None if n is None else names[n] for n in numbers], logits, probabilities)


def router_bytes(row: RouterRow) -> bytes:
    """Return the content of a pack's `router.safetensors`."""
    return bytes(save({name: np.ascontiguousarray(t) for name, t in row.tensors().items()}))


def combine(
    sources: Sequence[Path | tuple[str, Path]], out: Path, static: Mapping[str, Mapping[str, str]]
) -> RoutedPacks:
    """Put packs together; each is copied as it is. Return them.

    Args:
        sources: Packs, or sets of packs; a pack may come with the name that it has in the set,
            which is its task otherwise.
        out: The set to be.
        static: Pack name -> what must hold of an image.

    Raises:
        ConfigError: A name stands twice, is none or is not there, there are too many, or `out` is
            not empty.
        PackError: A pack is damaged, of another encoder, other classes or other strips than the
            first, reaches into the encoder, or has no router row.
    """
    parts = [part for source in sources for part in _named(source)]
    names = [name for name, _, _ in parts]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError(
            f"two packs are called {twice[0]}: give one another name, as {twice[0]}-2=FOLDER"
        )
    if len(parts) > MOST_PACKS:
        raise ConfigError(f"{len(parts)} packs are too many: {MOST_PACKS} at the most")
    if unknown := sorted(set(static) - set(names)):
        raise ConfigError(f"--static {unknown[0]}: there is no such pack; {', '.join(names)} are")
    known = [(name, path, dict(static.get(name, own))) for name, path, own in parts]
    routed = _checked(known)
    _write(known, out)
    return routed


def remove(folder: Path, name: str, out: Path) -> None:
    """Write a set without one of its packs; the others stay bit for bit.

    Raises:
        ConfigError: There is no such pack in it, or no other.
        PackError: The set is damaged.
    """
    parts = parts_of(folder)
    left = [part for part in parts if part[0] != name]
    if len(left) == len(parts) or not left:
        why = "is its only pack" if not left else "is not in it"
        raise ConfigError(
            f"{folder}: {name} {why}; it holds {', '.join(part[0] for part in parts)}"
        )
    _write(left, out)


def load_routed(folder: Path) -> RoutedPacks:
    """Return a set of packs, or one pack as a set of its own, after all checks.

    Raises:
        PackError: A pack is missing, altered, or does not go with the others.
    """
    return _checked(parts_of(folder))


def _named(source: Path | tuple[str, Path]) -> list[tuple[str, Path, dict[str, str]]]:
    """Return the packs of an argument of `combine`."""
    if isinstance(source, Path):
        return parts_of(source)
    name, folder = source
    parts = parts_of(folder)
    if len(parts) > 1:
        held = ", ".join(part[0] for part in parts)
        raise ConfigError(f"{name}={folder} is a set ({held}): name one pack, or give no name")
    try:
        TypeAdapter(TaskName).validate_python(name)
    except ValidationError as error:
        raise ConfigError(
            f"{name}={folder}: a pack's name is made of a-z, 0-9 and -, up to 32 of them"
        ) from error
    return [(name, path, keys) for _, path, keys in parts]


def parts_of(folder: Path) -> list[tuple[str, Path, dict[str, str]]]:
    """Return name, folder and static keys of the packs of a set, or of one pack.

    Raises:
        PackError: The folder is neither, or a pack of it is missing or altered.
    """
    if not (folder / SET_FILE).is_file():
        return [(load_pack(folder).manifest.task, folder, {})]
    path = folder / SET_FILE
    try:
        content = RoutedSet.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise PackError(explain(error, RoutedSet, str(path))) from error
    found = []
    for part in content.packs:
        own = folder / _PACKS / part.name
        if not (own / PACK_FILE).is_file() or sha256_file(own / PACK_FILE) != part.sha256:
            raise PackError(f"{own} is missing or was altered: combine the packs again")
        found.append((part.name, own, part.static))
    return found


def _checked(parts: Sequence[tuple[str, Path, dict[str, str]]]) -> RoutedPacks:
    packs = {name: load_pack(path) for name, path, _ in parts}
    rows = [_row(name, path, packs[name], keys) for name, path, keys in parts]
    first = next(iter(packs.values()))
    start, _ = read_parts(parts[0][1], first.manifest, first.tensors)
    for name, pack in packs.items():
        _refuse_other(first.manifest, name, pack)
    return RoutedPacks(packs, rows, start)


def _refuse_other(first: PackManifest, name: str, pack: Pack) -> None:
    own = pack.manifest
    if own.base.weights_sha256 != first.base.weights_sha256 or own.preprocess != first.preprocess:
        raise PackError(
            f"{name} was trained on another encoder ({own.base.arch}/{own.base.pretrained}) than"
            f" {first.task} ({first.base.arch}/{first.base.pretrained}): train both on one"
        )
    if own.prompts_sha256 != first.prompts_sha256:
        raise PackError(
            f"{name} knows {', '.join(own.class_names)}, {first.task} knows"
            f" {', '.join(first.class_names)}, or their prompts differ: give the same --class and"
            " --prompt"
        )
    cut, firsts = ((m.strip_top_px or 0, m.strip_bottom_px or 0) for m in (own, first))
    if cut != firsts:
        raise PackError(
            f"{name} was trained without {cut[0]} rows at the top and {cut[1]} at the bottom,"
            f" {first.task} without {firsts[0]} and {firsts[1]}: train both with the same"
            " --strip-top-px and --strip-bottom-px"
        )
    moved = "projection_delta" in pack.tensors and bool(pack.tensors["projection_delta"].any())
    if moved or reaches_inside(pack.tensors):
        raise PackError(
            f"{name} ({own.method}) reaches before the embedding that packs are chosen by: train"
            " it with adapters of the head"
        )


def _row(name: str, folder: Path, pack: Pack, static: Mapping[str, str]) -> RouterRow:
    if ROUTER_FILE not in pack.manifest.files:
        raise PackError(
            f"{folder} has no router row that says which images it is for: train it again"
        )
    try:
        tensors = load((folder / ROUTER_FILE).read_bytes())
        scale, threshold = (float(tensors[f"router_{n}"][0]) for n in ("scale", "threshold"))
        keys = tensors["router_keys"]
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise PackError(f"{folder / ROUTER_FILE} holds no router row: copy it again") from error
    if keys.shape[1:] != (pack.manifest.base.embed_dim,):
        raise PackError(f"{folder / ROUTER_FILE}: keys {keys.shape} are of another encoder")
    return RouterRow(name, keys, scale, threshold, dict(static))


def _write(parts: Sequence[tuple[str, Path, dict[str, str]]], out: Path) -> None:
    content = RoutedSet(
        packs=[
            RoutedPart(name=name, sha256=sha256_file(path / PACK_FILE), static=keys)
            for name, path, keys in parts
        ]
    )
    with new_folder(out) as temporary:
        for name, path, _ in parts:
            shutil.copytree(path, temporary / _PACKS / name)
        write_text(temporary / SET_FILE, content.model_dump_json(by_alias=True, indent=2) + "\n")
