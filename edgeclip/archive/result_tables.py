"""Tables of a run: all images, Timelapse's fields, and what could not be read."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import IO

from edgeclip.archive.about import About
from edgeclip.archive.answered import PROMPTS_ALONE
from edgeclip.archive.index import Row
from edgeclip.contract.pack import utc_text

_FACTS = ("file", "location", "sequence", "captured_at", "width", "height", "infrared")
_SAID = ("decision", "class", "probability", "sequence_class", "sequence_probability", "pack")
_BOX = ("box_x", "box_y", "box_width", "box_height")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def predictions_csv(rows: Iterable[Row], about: About, file: IO[str]) -> None:
    """Write one row an image.

    `decision` is the target whose threshold is reached, or empty; `class` the likeliest class;
    `box_*` is where the decision's heat is, relative to the frame, empty beside a detector's boxes.

    Args:
        rows: Images.
        about: The run.
        file: UTF-8.
    """
    writer = csv.writer(file, lineterminator="\n")
    names = about.manifest.class_names
    words = _word_columns(about)
    writer.writerow([*_FACTS, *_SAID, *_BOX, *(f"p({name})" for name in names), *words, "failure"])
    for row in rows:
        record = row.record
        taken = utc_text(record.taken_at) if record.taken_at else ""
        night = "" if record.infrared is None else str(record.infrared).lower()
        facts = [record.file, record.location, row.sequence, taken, record.width, record.height]
        cells = [*facts, night, *_said(row, about), *(record.where or [""] * len(_BOX))]
        numbers = record.probabilities or [""] * len(names)
        cells += [*numbers, *_in_words(row, about), record.failure or ""]
        writer.writerow([_safe(cell) for cell in cells])


def _word_columns(about: About) -> list[str]:
    """Return a caption's column and two a group; its name says where nobody measured it."""
    if not about.questions:
        return []
    names = [
        name if verified else f"{name} (unverified)" for name, verified in about.questions.items()
    ]
    return ["caption", *(cell for name in names for cell in (name, f"{name}: probability"))]


def _in_words(row: Row, about: About) -> list[object]:
    if not about.questions:
        return []
    told = row.record.attributes
    by_group = {answer.group: answer for answer in told.answers} if told else {}
    cells: list[object] = [told.caption if told else ""]
    for name in about.questions:
        answer = by_group.get(name)
        cells += [answer.option, answer.probability] if answer else ["", ""]
    return cells


def _said(row: Row, about: About) -> list[object]:
    record, names = row.record, about.manifest.class_names
    if record.failure is not None:
        return [""] * len(_SAID)
    index, probability = about.likeliest(record.probabilities)
    burst, burst_probability = about.likeliest(row.probabilities)
    decision = about.decision(record.probabilities, record.pack) or ""
    pack = record.pack or PROMPTS_ALONE
    return [decision, names[index], probability, names[burst], burst_probability, pack]


def timelapse_csv(rows: Iterable[Row], about: About, file: IO[str]) -> None:
    """Write what Timelapse imports: File and RelativePath, then fields of a template.

    The first two are how Timelapse finds the image: they stand as they are, whatever a spreadsheet
    would take them for.

    Args:
        rows: Images.
        about: The run.
        file: UTF-8.
    """
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["File", "RelativePath", "DateTime", "Species", "Confidence", "Sequence"])
    for row in rows:
        record = row.record
        if record.failure is not None:
            continue
        path = PurePosixPath(record.file)
        folder = "" if str(path.parent) == "." else str(path.parent).replace("/", "\\")
        index, probability = about.likeliest(record.probabilities)
        taken = record.taken_at.strftime("%Y-%m-%d %H:%M:%S") if record.taken_at else ""
        name = about.manifest.class_names[index]
        said = [taken, name, probability, row.sequence]
        writer.writerow([path.name, folder, *map(_safe, said)])


def failures_csv(rows: Iterable[Row], about: About, file: IO[str]) -> None:
    """Write one row an image that has no answer, with the reason.

    Args:
        rows: Images.
        about: The run.
        file: UTF-8.
    """
    del about
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["file", "failure"])
    for row in rows:
        if row.record.failure is not None:
            writer.writerow([_safe(row.record.file), _safe(row.record.failure)])


def _safe(cell: object) -> object:
    """Keep a spreadsheet from taking a name for a formula."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell
