"""What lies where a pack or bundle was expected: the sentence of an error."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_REMEDIES: Final = {
    "pack.json": ("an adapter pack", "make a pack with `edgeclip train --out`"),
    "manifest.json": ("a bundle", "make one with `edgeclip-export bundle`"),
    "router.json": ("a set of packs", "make one with `edgeclip pack combine`"),
}
"""By the file that makes a folder what it is: what it is, and how one comes about."""


def misplaced(folder: Path, file: str, error: Exception) -> str:
    """Return what is wrong with a folder of which the file could not be read, and what to do.

    Args:
        folder: Where an artefact was expected.
        file: What every such artefact holds, such as `pack.json`.
        error: What reading that file gave.
    """
    wanted, remedy = _REMEDIES[file]
    if isinstance(error, NotADirectoryError):
        return f"{folder} is a file, and {wanted} is a folder: name the folder"
    if isinstance(error, FileNotFoundError):
        if not folder.exists():
            return f"there is no folder {folder}: check the path, or {remedy}"
        for other, (found, _) in _REMEDIES.items():
            if (folder / other).is_file():
                if file == "pack.json" and (held := sorted(folder.glob("packs/**/pack.json"))):
                    return f"{folder} is {found}, not {wanted}: name one in it, as {held[0].parent}"
                return f"{folder} is {found}, not {wanted}: name {wanted}, or {remedy}"
    return f"{folder} holds no readable {file}: {remedy}"
