"""Read folders of images: a folder a class, or a folder a location with a folder a class in it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from edgeclip.errors import DataError
from edgeclip.labels.classes import is_blank_label
from edgeclip.labels.paths import IMAGE_SUFFIXES
from edgeclip.labels.reading import Layout
from edgeclip.labels.sample import LabelTable, Problem, Sample

_LEVELS: dict[Layout, int] = {"label": 1, "location/label": 2}
_MOST_NAMED = 20


def read_folder(root: Path, *, layout: Layout | None = None) -> LabelTable:
    """Return the samples of a folder.

    Args:
        root: Holds `<label>/...` or `<location>/<label>/...`. Hidden files and files that are no
            images by their suffix are skipped.
        layout: What the folders' names mean; guessed, and said, where None.

    Raises:
        DataError: There is no image below a label's folder.
    """
    files, others = _image_files(root)
    if not files:
        raise DataError(f"{root}: no image found: expected {root.name}/<label>/*.jpg or a CSV")
    chosen, why = (layout, "as asked") if layout else _guess(files)
    depth = _LEVELS[chosen]
    deep = [parts for parts in files if len(parts) > depth]
    samples = tuple(_sample(root, parts, chosen) for parts in deep)
    if not samples:
        raise DataError(f"{root}: no image lies below a label's folder: expected layout {chosen}")
    shallow = [parts for parts in files if len(parts) <= depth]
    problems = [
        Problem("label", "/".join(parts), f"no label: not below {chosen}") for parts in shallow
    ]
    problems += _alike(deep)
    notes = [f"layout {chosen} ({why})"]
    if others:
        notes.append(f"{others} files are no images by their suffix: skipped")
    return LabelTable(root, samples, tuple(problems), tuple(notes))


def _image_files(root: Path) -> tuple[list[tuple[str, ...]], int]:
    """Return the parts of every image's path below the root, and how many files are no images."""
    files, others = [], 0
    for path in sorted(root.rglob("*")):
        parts = path.relative_to(root).parts
        if any(part.startswith(".") for part in parts) or not path.is_file():
            continue
        if path.suffix.lower() in IMAGE_SUFFIXES:
            files.append(parts)
        else:
            others += 1
    return files, others


def _guess(files: Sequence[tuple[str, ...]]) -> tuple[Layout, str]:
    """Return the layout by what repeats: labels stand under every location."""
    branches = defaultdict(set)
    for parts in files:
        if len(parts) > 2:
            branches[parts[0]].add(parts[1])
    seconds = [name for names in branches.values() for name in names]
    repeated = sorted({name for name in seconds if seconds.count(name) > 1})
    firsts = {parts[0] for parts in files}
    if any(is_blank_label(name) for name in firsts) or not branches:
        return "label", "guessed: the first level names classes"
    if repeated or any(is_blank_label(name) for name in seconds):
        shown = ", ".join(repeated[:3]) or "a blank's name"
        return "location/label", f"guessed: {shown} stands below the first level; else use --layout"
    return "label", "guessed: no name repeats below the first level; else use --layout"


def _sample(root: Path, parts: tuple[str, ...], layout: Layout) -> Sample:
    depth = _LEVELS[layout]
    return Sample(
        path=root.joinpath(*parts),
        label=parts[depth - 1].strip(),
        location=parts[0] if depth == 2 else None,
        captured_at=None,
        seq_id=None,
        box=None,
        where="/".join(parts),
    )


def _alike(files: Sequence[tuple[str, ...]]) -> list[Problem]:
    """Return a problem for names that differ only in case: one is lost on some computers."""
    groups = defaultdict(list)
    for parts in files:
        groups["/".join(parts).casefold()].append("/".join(parts))
    return [
        Problem("path", names[0], f"differs only in case from {names[1]}")
        for names in groups.values()
        if len(names) > 1
    ][:_MOST_NAMED]
