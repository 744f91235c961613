"""The columns of Camtrap DP 1.0 to 1.0.2, and what they were called before 1.0."""

from __future__ import annotations

from edgeclip.labels.text_tables import Row, TextTable, cell

REQUIRED: dict[str, tuple[str, ...]] = {
    "deployments": (
        "deploymentID", "latitude", "longitude", "deploymentStart", "deploymentEnd",
    ),
    "media": (
        "mediaID", "deploymentID", "timestamp", "filePath", "filePublic", "fileMediatype",
    ),
    "observations": (
        "observationID", "deploymentID", "eventStart", "eventEnd", "observationLevel",
        "observationType",
    ),
}  # fmt: skip
"""What a row must have by the standard; none of it but ids and paths is needed here."""

OPTIONAL: dict[str, tuple[str, ...]] = {
    "deployments": (
        "locationID", "locationName", "coordinateUncertainty", "setupBy", "cameraID",
        "cameraModel", "cameraDelay", "cameraHeight", "cameraDepth", "cameraTilt", "cameraHeading",
        "detectionDistance", "timestampIssues", "baitUse", "featureType", "habitat",
        "deploymentGroups", "deploymentTags", "deploymentComments",
    ),
    "media": ("captureMethod", "fileName", "exifData", "favorite", "mediaComments"),
    "observations": (
        "mediaID", "eventID", "cameraSetupType", "scientificName", "count", "lifeStage", "sex",
        "behavior", "individualID", "individualPositionRadius", "individualPositionAngle",
        "individualSpeed", "bboxX", "bboxY", "bboxWidth", "bboxHeight", "classificationMethod",
        "classifiedBy", "classificationTimestamp", "classificationProbability", "observationTags",
        "observationComments",
    ),
}  # fmt: skip

BEFORE_1_0: dict[str, tuple[str, ...]] = {
    "deploymentStart": ("start",),
    "deploymentEnd": ("end",),
    "cameraDelay": ("cameraInterval",),
    "deploymentTags": ("tags",),
    "deploymentComments": ("comments",),
    "mediaComments": ("comments",),
    "observationComments": ("comments",),
    "eventID": ("sequenceID",),
    "eventStart": ("timestamp",),
    "cameraSetupType": ("cameraSetup",),
    "classificationProbability": ("classificationConfidence",),
}
"""Name of 1.0 -> names that earlier versions have for it."""

CAPTURE_METHODS = {"motiondetection": "activityDetection", "timelapse": "timeLapse"}
BOX = ("bboxX", "bboxY", "bboxWidth", "bboxHeight")


class NamedColumns:
    """Looks cells up by the standard's names, never by position."""

    def __init__(self, table: TextTable, kind: str) -> None:
        """Match a table's header.

        Args:
            table: As read.
            kind: `deployments`, `media` or `observations`.
        """
        own = {name.strip().casefold(): name for name in reversed(table.header)}
        known = (*REQUIRED[kind], *OPTIONAL[kind], "sequenceID")
        self._columns: dict[str, str] = {}
        self.renamed: list[str] = []
        for name in known:
            for alias in (name, *BEFORE_1_0.get(name, ())):
                if alias.casefold() in own:
                    self._columns[name] = own[alias.casefold()]
                    if alias != name:
                        self.renamed.append(f"{alias} (now {name})")
                    break
        self.lacks = [
            f"{kind}.{name}" for name in known[:-1] if name not in self._columns
        ]  # sequenceID is of earlier versions

    def __contains__(self, name: str) -> bool:
        return name in self._columns

    def get(self, row: Row, name: str) -> str:
        """Return a cell; empty where it, or its column, is missing."""
        return cell(row, self._columns.get(name))
