"""Where an archive's cameras stood, and when: a table beside the images."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from pathlib import Path, PurePosixPath

from edgeclip.contract.plurals import first_of
from edgeclip.errors import DataError
from edgeclip.labels.text_tables import Row, cell, parse_table, read_source_bytes
from edgeclip.labels.times import parse_time

EVERYTHING = "."
"""As a row's deployment: of all images that no other row is for."""

_ALIASES: Mapping[str, Sequence[str]] = {
    "id": ("deploymentID", "deployment_id", "deployment"),
    "location": ("locationID", "location", "site", "station", "placename"),
    "latitude": ("latitude", "lat"),
    "longitude": ("longitude", "lon", "long", "lng"),
    "start": ("deploymentStart", "start_date", "start"),
    "end": ("deploymentEnd", "end_date", "end"),
    "locationName": ("locationName", "placename"),
    "setupBy": ("setupBy",),
    "cameraID": ("cameraID", "camera_id", "camera"),
    "cameraModel": ("cameraModel",),
    "habitat": ("habitat",),
    "deploymentGroups": ("deploymentGroups",),
    "deploymentTags": ("deploymentTags",),
    "deploymentComments": ("deploymentComments",),
}
_TEXTS = tuple(_ALIASES)[6:]  # what is handed on as it is written
_SHOWN = 5


@dataclass(frozen=True)
class Deployment:
    """A camera at a place for a time.

    Attributes:
        deployment_id: Of the row.
        location: locationID, else the deployment's own.
        latitude: Degrees, WGS 84.
        longitude: Degrees, WGS 84.
        start: Aware UTC, or None where nobody said.
        end: Likewise.
        texts: Further cells, by the names of Camtrap DP.
    """

    deployment_id: str
    location: str
    latitude: float
    longitude: float
    start: datetime | None
    end: datetime | None
    texts: Mapping[str, str]

    def covers(self, at: datetime) -> bool:
        """Say whether a time lies in the deployment, as far as its bounds are known."""
        return not (self.start and at < self.start) and not (self.end and at > self.end)


class Deployments:
    """The rows of a table of deployments."""

    def __init__(self, rows: Sequence[Deployment], table: Path) -> None:
        self.table = table
        self._by_name: dict[str, list[Deployment]] = defaultdict(list)
        for row in rows:
            for name in dict.fromkeys((row.deployment_id, row.location)):
                self._by_name[name].append(row)

    def of(self, place: str) -> Sequence[Deployment]:
        """Return the deployments of a place: its own, else those of the folder above it."""
        above = [str(path) for path in PurePosixPath(place).parents]
        for name in (place, *above, EVERYTHING):
            if name in self._by_name:
                return self._by_name[name]
        return ()

    def find(self, place: str, at: datetime) -> Deployment | None:
        """Return the deployment that an image is of.

        Args:
            place: Where the camera stood, as the run calls it.
            at: Aware UTC; chooses among several.
        """
        rows = self.of(place)
        if len(rows) == 1:
            return rows[0]
        return next((row for row in rows if row.covers(at)), None)

    def require(self, places: Iterable[str]) -> None:
        """Check that the cameras of all places stood somewhere.

        Raises:
            DataError: The table has no row for one; the message names some.
        """
        lost = sorted({place for place in places if not self.of(place)})
        if lost:
            named = first_of([place or EVERYTHING for place in lost], _SHOWN)
            raise DataError(
                f"{self.table} has no row for {named}: Camtrap DP needs coordinates; add"
                f" rows, or one called {EVERYTHING} for all that is left"
            )


def read_deployments(table: Path, zone: tzinfo) -> Deployments:
    """Return the deployments of a CSV or TSV: that of Camtrap DP, or one with columns like it.

    Args:
        table: With a row a deployment: an id or location, latitude and longitude at the least.
        zone: Of times that have none.

    Raises:
        DataError: A column is missing, a row has no coordinates, or two have the same id.
    """
    parsed = parse_table(read_source_bytes(table, "a table of deployments"), str(table))
    own = {name.strip().casefold(): name for name in reversed(parsed.header)}
    columns = {
        meaning: next((own[n.casefold()] for n in names if n.casefold() in own), None)
        for meaning, names in _ALIASES.items()
    }
    for meaning in ("latitude", "longitude"):
        if columns[meaning] is None:
            raise DataError(f"{table}: no column {meaning} ({', '.join(parsed.header[:8])})")
    if columns["id"] is None and columns["location"] is None:
        raise DataError(f"{table}: no column deploymentID ({', '.join(parsed.header[:8])})")
    found: dict[str, Deployment] = {}
    for number, row in parsed.rows():
        one = _deployment(row, columns, f"{table} row {number}", zone)
        if one.deployment_id in found:
            raise DataError(f"{table} row {number}: a second row of {one.deployment_id}")
        found[one.deployment_id] = one
    return Deployments(list(found.values()), table)


def _deployment(
    row: Row, columns: Mapping[str, str | None], where: str, zone: tzinfo
) -> Deployment:
    location = cell(row, columns["location"])
    name = cell(row, columns["id"]) or location
    if not name:
        raise DataError(f"{where}: neither a deploymentID nor a location")
    return Deployment(
        deployment_id=name,
        location=location or name,
        latitude=_degrees(row, columns["latitude"], 90, where),
        longitude=_degrees(row, columns["longitude"], 180, where),
        start=_time(row, columns["start"], where, zone),
        end=_time(row, columns["end"], where, zone),
        texts={text: cell(row, columns[text]) for text in _TEXTS},
    )


def _degrees(row: Row, column: str | None, limit: float, where: str) -> float:
    text = cell(row, column)
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not -limit <= value <= limit:
        raise DataError(f"{where}: {column} {text[:20]!r} is no number from -{limit} to {limit}")
    return value


def _time(row: Row, column: str | None, where: str, zone: tzinfo) -> datetime | None:
    text = cell(row, column)
    found = parse_time(text, zone) if text else None
    if text and found is None:
        raise DataError(f"{where}: {column} {text[:30]!r} is no time: write 2024-05-01T06:00:00Z")
    return found
