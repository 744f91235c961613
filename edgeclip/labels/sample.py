"""What every label reader gives: samples, the problems met, and what was assumed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from edgeclip.contract.preprocess_spec import Box

ProblemKind = Literal[
    "row", "label", "path", "date", "box", "unreadable", "duplicate", "conflict", "odd", "several",
    "doubt", "clock",
]  # fmt: skip
GivenPart = Literal["train", "validation", "test"]
LabelSource = Literal["human", "machine"]


@dataclass(frozen=True)
class Sample:
    """One label of one image, before its file was opened; an image may have several.

    Attributes:
        path: The image file.
        label: As the source writes it, stripped; never empty.
        location: Where the camera stood, or None.
        captured_at: Aware UTC, or None.
        seq_id: The burst as the source names it, or None.
        box: The animal's, relative to the frame, or None.
        where: The row or file, for messages.
        camera: Of several at one location, or None.
        frame_num: Orders a burst; may begin anywhere and have gaps. Or None.
        pixel_box: x, y, width, height in pixels, where the source has no relative box.
        frame_size: Width and height in pixels that `pixel_box` counts in; None: the file's own.
        part: What the source's split column says, or None.
        label_source: Who gave the label, where the source says so.
        capture_method: `activityDetection`, `timeLapse`, or None; the two never share a sequence.
        sequence_level: Whether the label is of the whole burst, so that this frame may lack it.
        clock_doubted: Whether the source says that this camera's clock was wrong.
        said: What the source says in the further columns that were asked for, empty cells left out.
    """

    path: Path
    label: str
    location: str | None
    captured_at: datetime | None
    seq_id: str | None
    box: Box | None
    where: str
    camera: str | None = None
    frame_num: int | None = None
    pixel_box: Box | None = None
    frame_size: tuple[int, int] | None = None
    part: GivenPart | None = None
    label_source: LabelSource | None = None
    capture_method: str | None = None
    sequence_level: bool = False
    clock_doubted: bool = False
    said: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Problem:
    """Something in the source that was left out, or taken with a doubt; it never stops a run.

    The kinds `odd`, `several` and `doubt` are of images that are used; `several` also of those
    that the policy for several labels leaves out, which it then says.
    """

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
        warnings: Mistakes that are likely in the source, such as a misspelt column.
    """

    source: Path
    samples: tuple[Sample, ...]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]
    warnings: tuple[str, ...] = ()
