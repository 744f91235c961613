"""Deployments and media of a Camtrap DP package: where and when each file was taken."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from pathlib import PurePosixPath

from edgeclip.errors import DataError
from edgeclip.labels.camtrap_columns import CAPTURE_METHODS, NamedColumns
from edgeclip.labels.camtrap_package import Package
from edgeclip.labels.paths import IMAGE_SUFFIXES
from edgeclip.labels.sample import Problem
from edgeclip.labels.times import parse_time


@dataclass(frozen=True)
class Deployment:
    """A camera at a place for a time.

    Attributes:
        location: locationID, else deploymentID: deployments of one location are one place.
        camera: Or None.
        start: Aware UTC, or None.
        end: Aware UTC, or None.
        clock_doubted: timestampIssues.
    """

    location: str
    camera: str | None
    start: datetime | None
    end: datetime | None
    clock_doubted: bool

    def covers(self, at: datetime) -> bool:
        """Say whether a time lies in the deployment, as far as its bounds are known."""
        return not (self.start and at < self.start) and not (self.end and at > self.end)


@dataclass(frozen=True)
class Medium:
    """One file.

    Attributes:
        id: mediaID.
        deployment: deploymentID.
        file: Path to look for: filePath, or for a URL the deployment's folder with fileName.
        captured_at: Aware UTC, or None.
        capture_method: `activityDetection`, `timeLapse`, or None.
        event: The sequence that media had before 1.0, else empty.
        is_image: By media type, else by suffix.
    """

    id: str
    deployment: str
    file: str
    captured_at: datetime | None
    capture_method: str | None
    event: str
    is_image: bool


def read_deployments(
    package: Package, zone: tzinfo
) -> tuple[dict[str, Deployment], NamedColumns | None]:
    """Return the deployments by id, and the table's columns; none where there is no table."""
    table = package.table("deployments")
    if table is None:
        return {}, None
    columns = NamedColumns(table, "deployments")
    found = {}
    for _, row in table.rows():
        key = columns.get(row, "deploymentID")
        if key:
            found[key] = Deployment(
                location=columns.get(row, "locationID") or key,
                camera=columns.get(row, "cameraID") or None,
                start=parse_time(columns.get(row, "deploymentStart"), zone),
                end=parse_time(columns.get(row, "deploymentEnd"), zone),
                clock_doubted=columns.get(row, "timestampIssues").casefold() == "true",
            )
    return found, columns


def read_media(
    package: Package, deployments: Mapping[str, Deployment], zone: tzinfo
) -> tuple[list[Medium], NamedColumns, list[Problem]]:
    """Return the media, the table's columns, and rows that are doubted or left out.

    Raises:
        DataError: The package has no table of media.
    """
    table = package.table("media")
    if table is None:
        raise DataError(f"{package.source}: no table of media: is this a whole Camtrap DP package?")
    columns = NamedColumns(table, "media")
    media: list[Medium] = []
    problems: list[Problem] = []
    for number, row in table.rows():
        where = f"media row {number}"
        key, deployment = columns.get(row, "mediaID"), columns.get(row, "deploymentID")
        file, kind = _file(columns.get(row, "filePath"), columns.get(row, "fileName"), deployment)
        if not key or not file:
            problems.append(Problem("row", where, "lacks a mediaID, or both filePath and fileName"))
            continue
        text, method = columns.get(row, "timestamp"), columns.get(row, "captureMethod")
        at = parse_time(text, zone)
        if text and at is None:
            problems.append(Problem("date", where, f"{text[:40]!r} is not a time: ISO 8601 is"))
        place = deployments.get(deployment)
        if at and place and not place.covers(at):
            problems.append(Problem("clock", where, f"{at.isoformat()} is not in its deployment"))
        kind = columns.get(row, "fileMediatype") or kind
        media.append(
            Medium(
                id=key,
                deployment=deployment,
                file=file,
                captured_at=at,
                capture_method=CAPTURE_METHODS.get(method.casefold(), method) or None,
                event=columns.get(row, "sequenceID"),
                is_image=kind.casefold().startswith("image/"),
            )
        )
    return media, columns, problems


def _file(path: str, name: str, deployment: str) -> tuple[str, str]:
    """Return where to look for a medium, and its media type by its suffix."""
    is_url = "://" in path
    local = (f"{deployment}/{name}" if deployment else name) if is_url and name else path
    if is_url and not name:
        local = path.rpartition("/")[2].partition("?")[0]
    suffix = PurePosixPath(local.replace("\\", "/")).suffix.lower()
    return local or name, "image/" if suffix in IMAGE_SUFFIXES or not suffix else "video/"
