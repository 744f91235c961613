"""Packs put together into a set, and taken out of one; each stays as it is, bit for bit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from edgeclip.contract.files import refuse_filled
from edgeclip.contract.gate import GATE_FILE, GATE_TENSORS_FILE, MOST_PACKS
from edgeclip.contract.static_facts import require_possible
from edgeclip.errors import ConfigError
from edgeclip.routed_packs import RoutedPacks, checked, hashes_of
from edgeclip.set_files import SET_FILE, NamedPack, parts_of, read_set, write_set
from edgeclip.task_names import is_task_name

if TYPE_CHECKING:
    from edgeclip.adapters.gate_making import LearnedGate


@dataclass(frozen=True)
class Combined:
    """A set that was put together.

    Attributes:
        routed: As read.
        learned: Its gate; None where prototypes choose.
        left: Sources whose own gate was left behind.
    """

    routed: RoutedPacks
    learned: LearnedGate | None
    left: list[Path]


def combine(
    sources: Sequence[Path | tuple[str, Path]],
    out: Path,
    static: Mapping[str, Mapping[str, str]],
    k: int | None = None,
    *,
    overwrite: bool = False,
) -> Combined:
    """Put packs together; each is copied as it is.

    Args:
        sources: Packs, or sets of packs; a pack may come with the name that it has in the set,
            which is its task otherwise.
        out: The set to be.
        static: Pack name -> what must hold of an image.
        k: Packs that answer for an image by a gate that is learned; None lets prototypes choose.
        overwrite: Replace a set that is there.

    Raises:
        ConfigError: A name stands twice, is none or is not there, there are too many, a key has a
            value that no image can have, a gate has nothing to choose between, or `out` is not
            empty and not to be replaced.
        PackError: A pack is damaged, of another encoder, other classes or other strips than the
            first, reaches into the encoder, or has no router row.
    """
    refuse_filled(out, overwrite=overwrite, marker=SET_FILE)
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
    for name, _, keys in known:
        require_possible(keys, f"--static {name}:")
    routed, hashes = checked(known), hashes_of(known)
    learned = None if k is None else _learned(routed, hashes, k)
    if learned:
        routed = replace(routed, gate=learned.stored.for_packs(routed.rows, hashes, str(out)))
    folders = [source if isinstance(source, Path) else source[1] for source in sources]
    left = [own for own in folders if read_set(own).gate]  # one of them may be what is replaced
    write_set(known, out, learned.files if learned else None, overwrite=overwrite)
    return Combined(routed, learned, left)


def remove(folder: Path, name: str, out: Path, *, overwrite: bool = False) -> None:
    """Write a set without one of its packs; the others, and a gate, stay bit for bit.

    Args:
        folder: The set.
        name: Of the pack in it.
        out: The set to be.
        overwrite: Replace a set that is there, which may be this one.

    Raises:
        ConfigError: There is no such pack in it, or no other, or `out` is not empty and not to be
            replaced.
        PackError: The set is damaged.
    """
    refuse_filled(out, overwrite=overwrite, marker=SET_FILE)
    held = read_set(folder)
    left = [part for part in held.parts if part[0] != name]
    if len(left) == len(held.parts) or not left:
        why = "is its only pack" if not left else "is not in it"
        raise ConfigError(
            f"{folder}: {name} {why}; it holds {', '.join(part[0] for part in held.parts)}"
        )
    files = (GATE_FILE, GATE_TENSORS_FILE)
    gate = held.gate
    kept = {file: (gate / file).read_bytes() for file in files} if gate else None
    write_set(left, out, kept, overwrite=overwrite)


def _learned(routed: RoutedPacks, hashes: Sequence[str], k: int) -> LearnedGate:
    from edgeclip.adapters.gate_making import learn_gate  # torch: reading a set does without
    from edgeclip.adapters.router import GateSettings

    sha256 = routed.manifest.base.weights_sha256
    return learn_gate(routed.rows, hashes, base_sha256=sha256, settings=GateSettings(k=k))


def _named(source: Path | tuple[str, Path]) -> list[NamedPack]:
    """Return the packs of an argument of `combine`."""
    if isinstance(source, Path):
        return parts_of(source)
    name, folder = source
    parts = parts_of(folder)
    if len(parts) > 1:
        held = ", ".join(part[0] for part in parts)
        raise ConfigError(f"{name}={folder} is a set ({held}): name one pack, or give no name")
    if not is_task_name(name):
        raise ConfigError(
            f"{name}={folder}: a pack's name is made of a-z, 0-9 and -, up to 32 of them"
        )
    return [(name, path, keys) for _, path, keys in parts]
