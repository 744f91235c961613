"""Camtrap DP 1.0.2 as all that write it do: columns, cells, and what describes a package."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, Final, TextIO

from edgeclip.contract.project_words import ExportSettings

VERSION: Final = "1.0.2"
_ADDRESS: Final = f"https://raw.githubusercontent.com/tdwg/camtrap-dp/{VERSION}"
PROFILE: Final = f"{_ADDRESS}/camtrap-dp-profile.json"

DEPLOYMENTS: Final = (
    "deploymentID", "locationID", "locationName", "latitude", "longitude",
    "coordinateUncertainty", "deploymentStart", "deploymentEnd", "setupBy", "cameraID",
    "cameraModel", "cameraDelay", "cameraHeight", "cameraDepth", "cameraTilt", "cameraHeading",
    "detectionDistance", "timestampIssues", "baitUse", "featureType", "habitat",
    "deploymentGroups", "deploymentTags", "deploymentComments",
)  # fmt: skip
HEAT_BOX_TAG: Final = "box:heat"
"""Of an observation whose box is by the heat of cells, and no detector's."""
MEDIA: Final = (
    "mediaID", "deploymentID", "captureMethod", "timestamp", "filePath", "filePublic", "fileName",
    "fileMediatype", "exifData", "favorite", "mediaComments",
)  # fmt: skip
OBSERVATIONS: Final = (
    "observationID", "deploymentID", "mediaID", "eventID", "eventStart", "eventEnd",
    "observationLevel", "observationType", "cameraSetupType", "scientificName", "count",
    "lifeStage", "sex", "behavior", "individualID", "individualPositionRadius",
    "individualPositionAngle", "individualSpeed", "bboxX", "bboxY", "bboxWidth", "bboxHeight",
    "classificationMethod", "classifiedBy", "classificationTimestamp",
    "classificationProbability", "observationTags", "observationComments",
)  # fmt: skip


_LEAST_SIDE: Final = 1e-6  # the standard wants boxes with some width and height

Row = dict[str, str]


@dataclass
class Period:
    """From when to when something was seen; a deployment that stood longer widens it.

    Attributes:
        start: Aware UTC.
        end: Aware UTC.
    """

    start: datetime
    end: datetime

    def widen(self, start: datetime | None, end: datetime | None) -> None:
        """Take in another period; what is None is not known."""
        self.start = min(self.start, start or self.start)
        self.end = max(self.end, end or self.end)


@dataclass(frozen=True)
class Package:
    """What `datapackage.json` tells.

    Attributes:
        name: Of the package, in lower case.
        project: What the project is called where its settings have no title.
        settings: What people say of it.
        created_at: Aware UTC.
        period: When something was first and last seen or deployed; aware UTC.
        places: Latitude and longitude of each deployment, as they may be told.
        taxa: Scientific name -> what people call it, in English.
        obscure_deg: Side of the grid that places are told on, degrees; None: they are exact.
        description: What a reader must know of it, such as what is left out; may be empty.
    """

    name: str
    project: str
    settings: ExportSettings
    created_at: datetime
    period: tuple[datetime, datetime]
    places: Sequence[tuple[float, float]]
    taxa: Mapping[str, str]
    obscure_deg: float | None = None
    description: str = ""

    def described(self) -> dict[str, Any]:
        """Return the content of `datapackage.json`."""
        settings, (start, end) = self.settings, self.period
        title = settings.title or self.project
        return {
            "resources": [_resource(name) for name in ("deployments", "media", "observations")],
            "profile": PROFILE,
            "name": self.name,
            "created": time_text(self.created_at),
            "title": title,
            **({"description": self.description} if self.description else {}),
            "contributors": [settings.contributor(self.project)],
            "sources": [{"title": "edgeclip"}],
            **settings.licences(),
            "project": {
                "title": title,
                "samplingDesign": settings.sampling_design,
                "captureMethod": ["activityDetection"],
                "individualAnimals": False,
                "observationLevel": ["event", "media"],
            },
            **({} if self.obscure_deg is None else {"coordinatePrecision": self.obscure_deg}),
            "spatial": _spatial(self.places),
            "temporal": {"start": f"{start:%Y-%m-%d}", "end": f"{end:%Y-%m-%d}"},
            "taxonomic": [
                {"scientificName": name, "vernacularNames": {"eng": said.replace("_", " ")}}
                for name, said in sorted(self.taxa.items())
            ],
        }


def time_text(when: datetime) -> str:
    """Return a time in whole seconds, UTC, as the standard's pattern wants it."""
    return f"{when.astimezone(timezone.utc):%Y-%m-%dT%H:%M:%SZ}"


def end_text(when: datetime) -> str:
    """Return a time likewise, but not before it."""
    whole = when.replace(microsecond=0)
    return time_text(whole + timedelta(seconds=1) if when.microsecond else whole)


def truth(value: bool) -> str:
    """Return a boolean as the standard writes it."""
    return "true" if value else "false"


def tag_text(text: str) -> str:
    """Return text without what separates tags."""
    return text.replace("|", "/").replace(":", "-")


def box_cells(box: Sequence[float] | None) -> Row:
    """Return the cells of a box: x, y, width, height, relative, origin top left.

    Args:
        box: Cut at the frame; of None, or of one without width or height, no cell is filled.
    """
    if box is None:
        return {}
    x, y = min(box[0], 1.0), min(box[1], 1.0)
    sides = min(box[2], 1.0 - x), min(box[3], 1.0 - y)
    if min(sides) < _LEAST_SIDE:
        return {}
    names = ("bboxX", "bboxY", "bboxWidth", "bboxHeight")
    return {name: f"{part:.6f}" for name, part in zip(names, (x, y, *sides), strict=True)}


def schema_address(table: str) -> str:
    """Return the address of the schema of `deployments`, `media` or `observations`."""
    return f"{_ADDRESS}/{table}-table-schema.json"


def open_table(out: TextIO, columns: Sequence[str]) -> csv.DictWriter[str]:
    """Return what writes rows of a table; its header is written at once."""
    writer = csv.DictWriter(out, columns, restval="", lineterminator="\n")
    writer.writeheader()
    return writer


def _resource(name: str) -> dict[str, str]:
    return {
        "name": name,
        "path": f"{name}.csv",
        "profile": "tabular-data-resource",
        "format": "csv",
        "mediatype": "text/csv",
        "encoding": "utf-8",
        "schema": schema_address(name),
    }


def _spatial(places: Sequence[tuple[float, float]]) -> dict[str, Any]:
    """Return the box around all deployments, as GeoJSON; a single one is a point."""
    if not places:
        return {"type": "GeometryCollection", "geometries": []}
    south, north = _range(latitude for latitude, _ in places)
    west, east = _range(longitude for _, longitude in places)
    if (west, south) == (east, north):
        return {"type": "Point", "coordinates": [west, south]}
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}


def _range(values: Iterable[float]) -> tuple[float, float]:
    known = list(values)
    return min(known), max(known)
