"""Small Camtrap DP packages: a leopard at a place called ridge, and whatever a test changes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from support.drawn_images import draw, save, write_table

DEPLOYMENTS = ("deploymentID", "locationID", "deploymentStart", "deploymentEnd", "timestampIssues")
MEDIA = (
    "mediaID", "deploymentID", "captureMethod", "timestamp", "filePath", "fileName",
    "fileMediatype",
)  # fmt: skip
OBSERVATIONS = (
    "observationID", "deploymentID", "mediaID", "eventID", "eventStart", "eventEnd",
    "observationLevel", "observationType", "cameraSetupType", "scientificName",
    "classificationMethod", "bboxX", "bboxY", "bboxWidth", "bboxHeight",
)  # fmt: skip
MEDIUM = {
    "mediaID": "m1", "deploymentID": "d1", "captureMethod": "activityDetection",
    "timestamp": "2020-05-30T04:57:37+02:00", "filePath": "a.jpg", "fileMediatype": "image/jpeg",
}  # fmt: skip
OBSERVATION = {
    "observationID": "o1", "deploymentID": "d1", "mediaID": "m1", "observationLevel": "media",
    "observationType": "animal", "scientificName": "Panthera pardus",
    "classificationMethod": "human",
}  # fmt: skip
DEPLOYMENT = {"deploymentID": "d1", "locationID": "ridge"}

Rows = list[dict[str, str]]


def write_package(
    folder: Path,
    *,
    deployments: Rows | None = None,
    media: Rows | None = None,
    observations: Rows | None = None,
    descriptor: dict[str, Any] | None = None,
) -> Path:
    """Write a package with a.jpg in it, and return its folder."""
    save(folder / "a.jpg", draw("leopard", 0))
    tables: list[tuple[str, tuple[str, ...], Rows]] = [
        ("deployments", DEPLOYMENTS, deployments or [DEPLOYMENT]),
        ("media", MEDIA, media or [MEDIUM]),
        ("observations", OBSERVATIONS, observations or [OBSERVATION]),
    ]
    for name, usual, rows in tables:
        header = tuple(dict.fromkeys([*usual, *(key for row in rows for key in row)]))
        cells: list[tuple[object, ...]] = [tuple(row.get(k, "") for k in header) for row in rows]
        write_table(folder / f"{name}.csv", [header, *cells])
    (folder / "datapackage.json").write_text(json.dumps(descriptor or {"resources": []}))
    return folder
