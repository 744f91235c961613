"""What is to be handed on: which detections, in which format, and how much may be told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal, get_args

from edgeclip_dashboard.filters import DetectionFilter

Format = Literal["camtrap-dp", "md-json", "csv", "csv-frames", "geojson"]
FORMATS: Final[tuple[Format, ...]] = get_args(Format)
MediaMode = Literal["copy", "url", "none"]
MEDIA_MODES: Final[tuple[MediaMode, ...]] = get_args(MediaMode)


@dataclass(frozen=True)
class ExportRequest:
    """One export.

    Attributes:
        format: What is written.
        asked: Which detections.
        obscure_deg: Side of the grid's cells onto which coordinates are put; None: exact.
        media: Pictures are copied beside the tables, named by their address on this dashboard, or
            only named; csv and geojson never copy any.
        with_people: Whether pictures with people are copied, too.
    """

    format: Format
    asked: DetectionFilter = field(default_factory=DetectionFilter)
    obscure_deg: float | None = None
    media: MediaMode = "copy"
    with_people: bool = False


@dataclass(frozen=True)
class Written:
    """What came of an export.

    Attributes:
        detections: How many.
        pictures: How many of their pictures were copied.
        notes: What a person should know: a sentence each.
    """

    detections: int
    pictures: int
    notes: tuple[str, ...]
