"""A folder of packs, `TASK/VERSION/` each: what is there, and which one a name means."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from edgeclip.contract.files import new_folder
from edgeclip.contract.pack import PACK_FILE
from edgeclip.errors import ConfigError, PackError
from edgeclip.registry.held import Held, read_held
from edgeclip.set_files import SET_FILE

_DEEPEST = 3


def read_registry(folder: Path) -> list[Held]:
    """Return the packs below a folder, by task and version.

    Raises:
        PackError: There is no such folder, no pack in it, it is a set, or a pack is damaged.
    """
    if not folder.is_dir():
        raise PackError(f"there is no folder {folder}: check the path")
    found = held_in(folder)
    if not found:
        raise PackError(f"{folder} holds no pack: `edgeclip train --packs {folder}` adds one")
    return found


def held_in(folder: Path) -> list[Held]:
    """Return what `read_registry` does; none where no pack is there yet, nor the folder.

    Raises:
        PackError: The folder is a set, or a pack is damaged.
    """
    if not folder.is_dir():
        return []
    if (folder / SET_FILE).is_file():
        raise PackError(
            f"{folder} is a set, and no folder of packs: `edgeclip pack show {folder}` shows it"
        )
    found = sorted((read_held(path) for path in _packs(folder, 0)), key=lambda held: held.order)
    names = [held.name for held in found]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        where = ", ".join(str(held.path) for held in found if held.name == twice[0])
        raise PackError(f"{twice[0]} is there twice ({where}): move one away")
    return found


def find_pack(held: Sequence[Held], name: str) -> Held:
    """Return the pack that TASK@VERSION names, or the newest of TASK.

    Raises:
        ConfigError: There is none.
    """
    task, _, version = name.partition("@")
    own = [each for each in held if each.manifest.task == task]
    exact = [each for each in own if each.manifest.version == version] if version else own
    if not exact:
        there = ", ".join(each.name for each in (own or held))
        raise ConfigError(f"there is no pack {name}; there are {there}")
    return max(exact, key=lambda each: each.order)


def place_of(registry: Path, task: str, version: str) -> Path:
    """Return where a pack of a registry lies."""
    return registry / task / version


def add_pack(registry: Path, source: Path) -> Held:
    """Copy a pack into a registry, whole or not at all; what is there stays bit for bit.

    Raises:
        ConfigError: This task and version are there already.
        PackError: The source is no pack, or damaged.
    """
    held = read_held(source)
    place = place_of(registry, held.manifest.task, held.manifest.version)
    if place.exists():
        raise ConfigError(
            f"{held.name} is in {registry} already, and a version is never replaced: make this"
            " one anew with a higher --version, or under another --task"
        )
    place.parent.mkdir(parents=True, exist_ok=True)
    with new_folder(place) as temporary:
        shutil.copytree(source, temporary, dirs_exist_ok=True)
    return read_held(place)


def remove_pack(registry: Path, name: str) -> Held:
    """Take a pack out of a registry; the others stay bit for bit. Return what it was.

    Raises:
        ConfigError: There is no such pack, it is not named with its version, or others stand on it.
        PackError: The registry cannot be read.
    """
    held = read_registry(registry)
    if "@" not in name:
        raise ConfigError(f"{name}: name the version that is to go, such as {name}@1.0.0")
    gone = find_pack(held, name)
    if children := [each.name for each in held if each.parent(held) == gone.name]:
        raise ConfigError(
            f"{', '.join(children)} stand on {gone.name}: remove those first, or keep it"
        )
    shutil.rmtree(gone.path)
    for above in (gone.path.parent,):
        if above != registry and not any(above.iterdir()):
            above.rmdir()
    return gone


def _packs(folder: Path, depth: int) -> Iterator[Path]:
    """Yield folders with a pack, not those inside of packs and sets."""
    if (folder / PACK_FILE).is_file():
        yield folder
    elif depth < _DEEPEST and not (folder / SET_FILE).is_file():
        for path in sorted(folder.iterdir()):
            if path.is_dir() and not path.name.startswith("."):
                yield from _packs(path, depth + 1)
