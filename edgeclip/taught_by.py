"""Pack -> what it and those below it learned from, as its split says; needs no torch."""

from __future__ import annotations

from pathlib import Path

from edgeclip.contract.hashing import sha256_file
from edgeclip.contract.pack import read_pack_manifest
from edgeclip.evaluated_parts import SPLIT_FILE
from edgeclip.openings import REPORT_FOLDER
from edgeclip.split_file import read_split_rows
from edgeclip.split_rows import LEARNED_FROM
from edgeclip.taught import NOTHING_TAUGHT, Taught


def taught_by(folder: Path | None) -> Taught:
    """Return what an earlier pack learned from, and those that it stands on.

    Args:
        folder: The earlier pack, or None.

    Raises:
        PackError: It is none, or damaged.
        DataError: Its split cannot be read.
    """
    if folder is None:
        return NOTHING_TAUGHT
    training, path = read_pack_manifest(folder).training, folder / REPORT_FOLDER / SPLIT_FILE
    if not path.is_file():
        return Taught(folder, {}, is_known=False)
    rows = {name: row for name, row in read_split_rows(path).items() if row.part in LEARNED_FROM}
    is_whole = sha256_file(path) == training.split_sha256
    return Taught(folder, rows, is_known=training.earlier_known and is_whole)
