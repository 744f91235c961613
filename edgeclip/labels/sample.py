"""What every label reader gives: samples, the problems met, and what was assumed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from edgeclip.contract.preprocess_spec import Box

ProblemKind = Literal["row", "label", "path", "date", "box", "unreadable", "duplicate", "conflict"]

GivenPart = Literal["train", "validation", "test"]


@dataclass(frozen=True)
class Sample:
    """One labelled image, before its file was opened.

    Attributes:
        path: The image file.
        label: As the source writes it, stripped; never empty.
        location: Where the camera stood, or None.
        captured_at: Aware UTC, or None. A time without a zone is taken as UTC: only differences
            between times of one source are used.
        seq_id: The burst as the source names it, or None.
        box: The animal's, relative to the frame, or None.
        where: The row or file, for messages.
    """

    path: Path
    label: str
    location: str | None
    captured_at: datetime | None
    seq_id: str | None
    box: Box | None
    where: str


@dataclass(frozen=True)
class Problem:
    """Something in the source that was left out, or taken with a doubt; it never stops a run."""

    kind: ProblemKind
    where: str
    what: str


@dataclass(frozen=True)
class LabelTable:
    """A label source as read.

    Attributes:
        source: The folder or table.
        samples: In a fixed order.
        problems: What could not be used.
        notes: What was assumed: columns, separator, layout.
    """

    source: Path
    samples: tuple[Sample, ...]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]
