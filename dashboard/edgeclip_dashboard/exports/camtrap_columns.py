"""The columns of Camtrap DP 1.0.2, in the standard's order."""

from __future__ import annotations

from typing import Final

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


def schema_address(table: str) -> str:
    """Return the address of the schema of `deployments`, `media` or `observations`."""
    return f"{_ADDRESS}/{table}-table-schema.json"
