"""The folder of a set of packs: `router.json`, the packs, and a learned gate where it has one.

router.json            which packs, in order, with the hash of each and its static keys
packs/<name>/          each pack as it was, bit for bit
gate.json  gate.safetensors      where a gate was learned; `router.json` has its hash
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from pydantic import Field

from edgeclip.contract.files import new_folder, write_bytes, write_text
from edgeclip.contract.gate import GATE_FILE, MOST_PACKS, MayHaveGate
from edgeclip.contract.hashing import sha256_bytes, sha256_file
from edgeclip.contract.pack import PACK_FILE, Part, Sha256, TaskName
from edgeclip.contract.versioned import read_versioned_file
from edgeclip.errors import PackError
from edgeclip.packs import load_pack

SET_SCHEMA: Final = "edgeclip.router/1"
SET_FILE = "router.json"
_PACKS = "packs"

NamedPack = tuple[str, Path, dict[str, str]]
"""Name in a set, folder, and static keys."""


class RoutedPart(Part):
    """One pack of a set."""

    name: TaskName
    sha256: Sha256 = Field(description="Of its pack.json, which holds the hashes of its files.")
    static: dict[str, str] = Field(
        default_factory=dict, description="What must hold of an image; empty: the gate decides."
    )


class RoutedSet(MayHaveGate):
    """`router.json`."""

    schema_: Literal["edgeclip.router/1"] = Field(SET_SCHEMA, alias="schema")
    packs: list[RoutedPart] = Field(min_length=1, max_length=MOST_PACKS)
    gate: Sha256 | None = Field(None, description="Of gate.json; absent: prototypes choose.")


@dataclass(frozen=True)
class SetFolder:
    """What a set's folder holds.

    Attributes:
        parts: Its packs, in order.
        gate: The folder of its learned gate; None where prototypes choose.
    """

    parts: list[NamedPack]
    gate: Path | None = None


def read_set(folder: Path) -> SetFolder:
    """Return what a set holds; one pack is a set of its own.

    Raises:
        PackError: The folder is neither, or a pack of it, or its gate, is missing or altered.
    """
    if not (folder / SET_FILE).is_file():
        return SetFolder([(load_pack(folder).manifest.task, folder, {})])
    content = _read_list(folder / SET_FILE)
    found: list[NamedPack] = []
    for part in content.packs:
        own = folder / _PACKS / part.name
        if not (own / PACK_FILE).is_file() or sha256_file(own / PACK_FILE) != part.sha256:
            raise PackError(f"{own} is missing or was altered: combine the packs again")
        found.append((part.name, own, part.static))
    return SetFolder(found, _gate_folder(folder, content.gate))


def _read_list(path: Path) -> RoutedSet:
    remedies = "combine the packs again", "update edgeclip on this machine"
    return read_versioned_file(path, RoutedSet, schema=SET_SCHEMA, what="set", remedies=remedies)


def parts_of(folder: Path) -> list[NamedPack]:
    """Return name, folder and static keys of the packs of a set, or of one pack.

    Raises:
        PackError: As for `read_set`.
    """
    return read_set(folder).parts


def write_set(
    parts: Sequence[NamedPack],
    out: Path,
    gate: Mapping[str, bytes] | None,
    *,
    overwrite: bool = False,
) -> None:
    """Write a set, whole or not at all; each pack is copied as it is.

    Args:
        parts: Its packs.
        out: To be made.
        gate: Content of the gate's files by their names; None without one.
        overwrite: Replace a folder that is there.

    Raises:
        ConfigError: `out` is not empty, and `overwrite` is false.
    """
    content = RoutedSet(
        packs=[
            RoutedPart(name=name, sha256=sha256_file(path / PACK_FILE), static=keys)
            for name, path, keys in parts
        ],
        gate=sha256_bytes(gate[GATE_FILE]) if gate else None,
    )
    with new_folder(out, overwrite=overwrite) as temporary:
        for name, path, _ in parts:
            shutil.copytree(path, temporary / _PACKS / name)
        for file, data in (gate or {}).items():
            write_bytes(temporary / file, data)
        write_text(temporary / SET_FILE, content.model_dump_json(by_alias=True, indent=2) + "\n")


def _gate_folder(folder: Path, sha256: str | None) -> Path | None:
    if sha256 is None:
        return None
    path = folder / GATE_FILE
    if not path.is_file() or sha256_file(path) != sha256:
        raise PackError(f"{path} is missing or was altered: put the set together again")
    return folder
