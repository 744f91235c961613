"""Three-shot bursts of two real trail cameras, where the real images are.

Labels were given by eye; blanks of which the eye was less sure may hide a small animal, and are
counted apart.
"""

from __future__ import annotations

import csv
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.device_case.gates import contenders, on_bursts
from edgeclip.contract.preprocess import decode_image

ROOT = Path(__file__).parents[2]
STRIP_PX = 36  # of 768: date, temperature, moon
_FOLDER = "animl-py/peru/"
_SURE, _LESS_SURE = "by-eye-high", "by-eye-medium"

Burst = tuple[bool, Sequence[NDArray[np.uint8]]]


def real_data() -> Path | None:
    """Return the folder of real images, or None where there is none."""
    folder = Path(os.environ.get("EDGECLIP_REAL_DATA", ROOT.parent / "shared/data/camera-traps"))
    return folder if (folder / "manifest.csv").is_file() else None


def gates_on_bursts(folder: Path) -> dict[str, dict[str, dict[str, float]]]:
    """Return what each contender did on the bursts, by how sure the labels are."""
    bursts = read_bursts(folder)
    return {
        words: {name: on_bursts(make, chosen) for name, make in contenders().items()}
        for words, chosen in bursts.items()
    }


def read_bursts(folder: Path) -> dict[str, list[Burst]]:
    """Return the bursts whose labels are sure, and those whose blanks are less so."""
    rows: dict[str, list[Mapping[str, str]]] = defaultdict(list)
    with (folder / "manifest.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["path"].startswith(_FOLDER) and row["seq_id"]:
                rows[row["seq_id"]].append(row)
    found: dict[str, list[Burst]] = {"sure labels": [], "less sure blanks": []}
    for burst in rows.values():
        sources = {row["label_source"] for row in burst}
        is_blank = all(row["label"] == "empty" for row in burst)
        if len(burst) < 3 or (is_blank and not sources <= {_SURE, _LESS_SURE}):
            continue
        if not is_blank and burst[0]["label_source"] != _SURE:
            continue
        words = "less sure blanks" if is_blank and sources != {_SURE} else "sure labels"
        shots = sorted(burst, key=lambda row: row["path"])
        found[words].append((is_blank, [_image(folder / row["path"]) for row in shots]))
    return found


def _image(path: Path) -> NDArray[np.uint8]:
    return decode_image(path.read_bytes())[:-STRIP_PX]
