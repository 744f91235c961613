"""Read folders of images, whose names are the labels, and may be locations, cameras or parts."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from edgeclip.errors import DataError
from edgeclip.labels.classes import is_blank_label
from edgeclip.labels.csv_table import PARTS_NAMED
from edgeclip.labels.paths import IMAGE_SUFFIXES, is_litter
from edgeclip.labels.reading import Layout, ReadingOptions
from edgeclip.labels.sample import LabelTable, Problem, Sample

_LEVELS: Final[dict[Layout, tuple[str, ...]]] = {
    "label": ("label",),
    "location/label": ("location", "label"),
    "location/camera/label": ("location", "camera", "label"),
    "split/label": ("split", "label"),
}
_BY_DEPTH: Final[tuple[Layout, ...]] = ("label", "location/label", "location/camera/label")
_FROM_A_CARD = re.compile(r"DCIM$|\d{3}[A-Z_]|\d+$", re.IGNORECASE)  # 100RECNX, 100_BTCF
_LIKE_A_CAMERA = re.compile(r"cam|\d", re.IGNORECASE)
_MOST_NAMED = 20

Parts = tuple[str, ...]
"""Of a file's path below the root."""


def read_folder(options: ReadingOptions) -> LabelTable:
    """Return the samples of a folder.

    Args:
        options: `data` holds `<label>/...` or what the layout says. Hidden files and files that
            are no images by their suffix are skipped. The layout is guessed, and said, where None.

    Raises:
        DataError: There is no image below a label's folder.
    """
    root = options.data
    files, others = _image_files(root)
    if not files:
        raise DataError(f"{root}: no image found: expected {root / '<label>' / '*.jpg'} or a CSV")
    chosen, why = (options.layout, "as asked") if options.layout else _guess(files)
    depth = len(_LEVELS[chosen])
    deep = [parts for parts in files if len(parts) > depth]
    if not deep and all(len(parts) == 1 for parts in files):
        raise DataError(
            f"{root}: its images lie in it, and not in folders of labels as expected: if"
            f" {root.resolve().name} is their label, name the folder above, {root.resolve().parent}"
        )
    if not deep:
        raise DataError(f"{root}: no image lies below a label's folder: expected layout {chosen}")
    shallow = [parts for parts in files if len(parts) <= depth]
    problems = [
        Problem("label", "/".join(parts), f"no label: not below {chosen}") for parts in shallow
    ]
    problems += _alike(deep)
    notes = [f"layout {chosen} ({why})"]
    if others:
        notes.append(f"{others} files are no images by their suffix: skipped")
    samples = tuple(_sample(root, parts, chosen) for parts in deep)
    return LabelTable(root, samples, tuple(problems), tuple(notes))


def _image_files(root: Path) -> tuple[list[Parts], int]:
    """Return the parts of every image's path below the root, and how many files are no images."""
    files, others = [], 0
    for path in sorted(root.rglob("*")):
        parts = path.relative_to(root).parts
        if any(is_litter(part) for part in parts) or not path.is_file():
            continue
        if path.suffix.lower() in IMAGE_SUFFIXES:
            files.append(parts)
        else:
            others += 1
    return files, others


def _guess(files: Sequence[Parts]) -> tuple[Layout, str]:
    """Return the layout by what repeats: labels stand under every location and camera."""
    levels = [_names_at(files, depth) for depth in (1, 2, 3)]
    firsts, seconds, thirds = levels
    if len(firsts) > 1 and all(name.casefold() in PARTS_NAMED for name in firsts):
        return "split/label", f"guessed: {', '.join(sorted(firsts))}; else use --layout"
    for layout, names in zip(_BY_DEPTH, levels, strict=True):
        if any(is_blank_label(name) for name in names):
            return layout, "guessed by a blank's folder; else use --layout"
    second = [name for name, times in seconds.items() if times > 1]
    third = [name for name, times in thirds.items() if times > 1 and not _FROM_A_CARD.match(name)]
    if third and (not second or any(_LIKE_A_CAMERA.search(name) for name in second)):
        return "location/camera/label", _repeats(third)
    if second:
        return "location/label", _repeats(second)
    return "label", "guessed: no name repeats below the first level; else use --layout"


def _names_at(files: Sequence[Parts], depth: int) -> Counter[str]:
    """Return the folders' names at a level, and below how many folders each stands."""
    branches = {parts[:depth] for parts in files if len(parts) > depth}
    return Counter(branch[-1] for branch in branches)


def _repeats(names: Sequence[str]) -> str:
    return f"guessed: {', '.join(sorted(names)[:3])} stands below several; else use --layout"


def _sample(root: Path, parts: Parts, layout: Layout) -> Sample:
    named = dict(zip(_LEVELS[layout], parts, strict=False))
    return Sample(
        path=root.joinpath(*parts),
        label=named["label"].strip(),
        location=named.get("location"),
        captured_at=None,
        seq_id=None,
        box=None,
        where="/".join(parts),
        camera=named.get("camera"),
        part=PARTS_NAMED.get(named.get("split", "").casefold()),
    )


def _alike(files: Sequence[Parts]) -> list[Problem]:
    """Return a problem for names that differ only in case: one is lost on some computers."""
    groups = defaultdict(list)
    for parts in files:
        groups["/".join(parts).casefold()].append("/".join(parts))
    return [
        Problem("path", names[0], f"differs only in case from {names[1]}")
        for names in groups.values()
        if len(names) > 1
    ][:_MOST_NAMED]
