"""The tables of Camtrap DP 1.0.2 as frictionless schemas, for validating without a network.

Said in our own words after the standard: what is required, of which type, within which bounds.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from frictionless import Package, Report, system

_TIME = {"type": "datetime", "format": "%Y-%m-%dT%H:%M:%S%z"}
_PATH = r"^(?=^[^./~])(^((?!\.{2}).)*$).*$"
_PART: dict[str, Any] = {"minimum": 0, "maximum": 1}
_SIDE: dict[str, Any] = {"minimum": 1e-15, "maximum": 1}
_KINDS = ["animal", "human", "vehicle", "blank", "unknown", "unclassified"]


def _field(
    name: str, kind: str = "string", *, needed: bool = False, **constraints: Any
) -> dict[str, Any]:
    described = dict(_TIME) if kind == "datetime" else {"type": kind}
    return {"name": name, **described, "constraints": {"required": needed, **constraints}}


def _texts(names: str) -> list[dict[str, Any]]:
    return [_field(name) for name in names.split()]


def _id(name: str) -> dict[str, Any]:
    return _field(name, needed=True, unique=True)


def _key(name: str, table: str) -> dict[str, Any]:
    return {"fields": [name], "reference": {"resource": table, "fields": [name]}}


def _schema(key: str, fields: list[dict[str, Any]], *foreign: dict[str, Any]) -> dict[str, Any]:
    schema = {"fields": fields, "primaryKey": [key], "missingValues": ["", "NaN", "nan"]}
    return schema | ({"foreignKeys": list(foreign)} if foreign else {})


SCHEMAS: dict[str, dict[str, Any]] = {
    "deployments": _schema(
        "deploymentID",
        [
            _id("deploymentID"),
            *_texts("locationID locationName"),
            _field("latitude", "number", needed=True, minimum=-90, maximum=90),
            _field("longitude", "number", needed=True, minimum=-180, maximum=180),
            _field("coordinateUncertainty", "integer", minimum=1),
            _field("deploymentStart", "datetime", needed=True),
            _field("deploymentEnd", "datetime", needed=True),
            *_texts("setupBy cameraID cameraModel"),
            _field("cameraDelay", "integer", minimum=0),
            _field("cameraHeight", "number", minimum=0),
            _field("cameraDepth", "number", minimum=0),
            _field("cameraTilt", "integer", minimum=-90, maximum=90),
            _field("cameraHeading", "integer", minimum=0, maximum=360),
            _field("detectionDistance", "number", minimum=0),
            _field("timestampIssues", "boolean"),
            _field("baitUse", "boolean"),
            *_texts("featureType habitat deploymentGroups deploymentTags deploymentComments"),
        ],
    ),
    "media": _schema(
        "mediaID",
        [
            _id("mediaID"),
            _field("deploymentID", needed=True),
            _field("captureMethod", enum=["activityDetection", "timeLapse"]),
            _field("timestamp", "datetime", needed=True),
            _field("filePath", needed=True, pattern=_PATH),
            _field("filePublic", "boolean", needed=True),
            _field("fileName"),
            _field("fileMediatype", needed=True, pattern="^(image|video|audio)/.*$"),
            _field("exifData", "object"),
            _field("favorite", "boolean"),
            _field("mediaComments"),
        ],
        _key("deploymentID", "deployments"),
    ),
    "observations": _schema(
        "observationID",
        [
            _id("observationID"),
            _field("deploymentID", needed=True),
            *_texts("mediaID eventID"),
            _field("eventStart", "datetime", needed=True),
            _field("eventEnd", "datetime", needed=True),
            _field("observationLevel", needed=True, enum=["media", "event"]),
            _field("observationType", needed=True, enum=_KINDS),
            _field("cameraSetupType", enum=["setup", "calibration"]),
            _field("scientificName"),
            _field("count", "integer", minimum=1),
            _field("lifeStage", enum=["adult", "subadult", "juvenile"]),
            _field("sex", enum=["female", "male"]),
            *_texts("behavior individualID"),
            _field("individualPositionRadius", "number", minimum=0),
            _field("individualPositionAngle", "number", minimum=-90, maximum=90),
            _field("individualSpeed", "number", minimum=0),
            _field("bboxX", "number", **_PART),
            _field("bboxY", "number", **_PART),
            _field("bboxWidth", "number", **_SIDE),
            _field("bboxHeight", "number", **_SIDE),
            _field("classificationMethod", enum=["human", "machine"]),
            _field("classifiedBy"),
            _field("classificationTimestamp", "datetime"),
            _field("classificationProbability", "number", **_PART),
            *_texts("observationTags observationComments"),
        ],
        _key("deploymentID", "deployments"),
        _key("mediaID", "media"),
    ),
}


def validate(folder: Path) -> Report:
    """Return frictionless' report on a package; its descriptor must name the standard's schemas."""
    described = json.loads((folder / "datapackage.json").read_text(encoding="utf-8"))
    for resource in described["resources"]:
        name = resource["name"]
        address = (
            f"https://raw.githubusercontent.com/tdwg/camtrap-dp/1.0.2/{name}-table-schema.json"
        )
        if resource["schema"] != address:
            raise AssertionError(f"{name} names the schema {resource['schema']}")
        resource["schema"] = SCHEMAS[name]
    del described["profile"]  # a URL that frictionless would fetch; `problems_of` checks it
    with system.use_context(trusted=True):
        report: Report = Package.from_descriptor(described, basepath=str(folder)).validate()
    return report


def problems_of(described: dict[str, Any]) -> list[str]:
    """Return what the profile of Camtrap DP 1.0.2 would object to in a `datapackage.json`."""
    needed = "resources profile created contributors project spatial temporal taxonomic"
    problems = [f"lacks {key}" for key in needed.split() if key not in described]
    if problems:
        return problems
    project = described["project"]
    designs = "simpleRandom systematicRandom clusteredRandom experimental targeted opportunistic"
    roles = {"contact", "principalInvestigator", "rightsHolder", "publisher", "contributor"}
    checks = {
        "profile": described["profile"].endswith("/camtrap-dp/1.0.2/camtrap-dp-profile.json"),
        "contributors": all(
            one["title"] and one["role"] in roles for one in described["contributors"]
        ),
        "samplingDesign": project["samplingDesign"] in designs.split(),
        "captureMethod": set(project["captureMethod"]) <= {"activityDetection", "timeLapse"},
        "observationLevel": set(project["observationLevel"]) <= {"media", "event"},
        "individualAnimals": isinstance(project["individualAnimals"], bool),
        "project.title": bool(project["title"]),
        "temporal": sorted(described["temporal"]) == ["end", "start"],
        "taxonomic": all(taxon["scientificName"] for taxon in described["taxonomic"]),
        "licenses": len({one["scope"] for one in described.get("licenses", [])}) in (0, 2),
    }
    return [key for key, is_met in checks.items() if not is_met]
