"""What is to be handed on: which detections, in which format, and how much may be told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal, get_args

from edgeclip.contract.places import GRIDS_DEG
from edgeclip.contract.plurals import counted
from edgeclip.errors import ConfigError
from edgeclip_dashboard.filters import DetectionFilter

Format = Literal["camtrap-dp", "md-json", "csv", "csv-frames", "geojson"]
FORMATS: Final[tuple[Format, ...]] = get_args(Format)
WITH_FAILURES: Final[frozenset[Format]] = frozenset({"md-json", "csv", "csv-frames"})
"""Formats that also have what is no observation."""

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
        with_unverified: Whether Camtrap DP also gets answers in words whose trust nobody measured.
        leave_out_unplaced: Whether what was seen at places without coordinates is left out;
            without it Camtrap DP is refused for them, and other formats have empty coordinates.
    """

    format: Format
    asked: DetectionFilter = field(default_factory=DetectionFilter)
    obscure_deg: float | None = None
    media: MediaMode = "copy"
    with_people: bool = False
    with_unverified: bool = False
    leave_out_unplaced: bool = False


def export_request(
    kind: str,
    asked: DetectionFilter,
    *,
    obscure_deg: float | None = None,
    media: str = "copy",
    **choices: bool,
) -> ExportRequest:
    """Return the request that texts of a command or of a page make.

    Args:
        kind: The format.
        asked: Which detections.
        obscure_deg: As in the request.
        media: Likewise.
        choices: The request's fields that are yes or no.

    Raises:
        ConfigError: A format, way of pictures or grid that there is not.
    """
    if kind not in FORMATS:
        raise ConfigError(f"{kind!r} is no format: take one of {', '.join(FORMATS)}")
    if media not in MEDIA_MODES:
        raise ConfigError(f"media {media!r} is not known: take one of {', '.join(MEDIA_MODES)}")
    if obscure_deg is not None and obscure_deg not in GRIDS_DEG:
        grids = ", ".join(f"{grid:g}" for grid in GRIDS_DEG)
        raise ConfigError(f"places can be put onto grids of {grids} degree, not {obscure_deg:g}")
    return ExportRequest(kind, asked, obscure_deg, media, **choices)


@dataclass(frozen=True)
class Written:
    """What came of an export.

    Attributes:
        detections: How many.
        pictures: How many of their pictures were copied.
        notes: What a person should know: a sentence each.
        left_out: How many detections are not there for want of coordinates.
    """

    detections: int
    pictures: int
    notes: tuple[str, ...]
    left_out: int = 0

    @property
    def amount(self) -> str:
        """How much it is, for the book of deeds: `88 detections, 12 left out`."""
        more = f", {self.left_out} left out" if self.left_out else ""
        return f"{counted(self.detections, 'detection')}{more}"
