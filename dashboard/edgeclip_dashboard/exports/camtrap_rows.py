"""A visit, its pictures and its deployment as rows of Camtrap DP 1.0.2."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from edgeclip.contract.camtrap_dp import (
    Period,
    Row,
    box_cells,
    end_text,
    tag_text,
    time_text,
    truth,
)
from edgeclip_dashboard.exports.camtrap_words import words_of
from edgeclip_dashboard.exports.sites import Position
from edgeclip_dashboard.exports.visits import Picture, Visit
from edgeclip_dashboard.models_field import Deployment

MEDIA_FOLDER: Final = "media"


def deployment_row(
    deployment: Deployment, position: Position, period: Period, *, has_doubtful_times: bool
) -> Row:
    """Return a deployment.

    Args:
        deployment: As people have described it.
        position: Where it may be told to be.
        period: Of the deployment; wide enough for all that was seen.
        has_doubtful_times: Whether the clock was not trusted at some time.
    """
    uncertainty = position.uncertainty_m
    return {
        "deploymentID": deployment.deployment_id,
        "locationID": deployment.deployment_id,
        "locationName": deployment.name,
        "latitude": f"{position.latitude:.6f}",
        "longitude": f"{position.longitude:.6f}",
        "coordinateUncertainty": "" if uncertainty is None else str(max(1, math.ceil(uncertainty))),
        "deploymentStart": time_text(period.start),
        "deploymentEnd": end_text(period.end),
        "setupBy": deployment.setup_by,
        "cameraModel": deployment.camera_model,
        "timestampIssues": truth(has_doubtful_times),
        "habitat": deployment.habitat,
        "deploymentComments": deployment.comments,
    }


def media_rows(visit: Visit, address: str | None) -> Iterator[Row]:
    """Yield a row a picture.

    Args:
        visit: What was seen.
        address: Of this dashboard, where pictures are named by it; None: relative to the package.
    """
    for picture in visit.pictures:
        inside = f"{MEDIA_FOLDER}/{picture.name}"
        path = inside if address is None else f"{address}/media/{picture.sha256}.jpg"
        yield {
            "mediaID": media_id(visit, picture),
            "deploymentID": visit.row.deployment_id,
            "captureMethod": "activityDetection",
            "timestamp": time_text(visit.best_at),
            "filePath": path,
            "filePublic": truth(not visit.shows_people),
            "fileName": picture.name.rsplit("/", 1)[-1],
            "fileMediatype": "image/jpeg",
            "mediaComments": "" if picture.kind == "full" else f"a {picture.kind} of the frame",
        }


def observation_rows(visit: Visit, *, with_unverified: bool = False) -> Iterator[Row]:
    """Yield what was seen: once for the visit, and once for its best frame, with the box.

    Args:
        visit: An observation.
        with_unverified: Also answers in words whose trust nobody measured.
    """
    row, words = visit.row, words_of(visit, with_unverified=with_unverified)
    event = {
        "observationID": row.detection_id,
        "deploymentID": row.deployment_id,
        "eventID": row.detection_id,
        "eventStart": time_text(visit.started_at),
        "eventEnd": end_text(visit.ended_at),
        "observationLevel": "event",
        **_classification(visit, words.tags),
    }
    yield event | words.fields  # of all frames together: the best one alone says less
    for picture in visit.pictures[:1]:
        yield event | {
            "observationID": f"{row.detection_id}:{picture.sha256[:12]}",
            "mediaID": media_id(visit, picture),
            "observationLevel": "media",
            **box_cells(picture.box),
        }


def media_id(visit: Visit, picture: Picture) -> str:
    """Return an id that is unique also where two visits have the very same picture."""
    return f"{visit.row.detection_id}:{picture.sha256[:12]}"


def _classification(visit: Visit, words: tuple[str, ...]) -> Row:
    row, judged = visit.row, visit.judged
    probability = judged.probability
    is_animal = judged.observation_type == "animal"
    return {
        "observationType": judged.observation_type,
        "scientificName": (judged.scientific_name or "") if is_animal else "",
        "classificationMethod": "human" if judged.is_human else "machine",
        "classifiedBy": judged.by,
        "classificationTimestamp": time_text(judged.at),
        "classificationProbability": "" if probability is None else f"{probability:.4f}",
        "observationTags": "|".join((*_tags(visit), *words)),
        "observationComments": visit.verdict.note if visit.verdict else "",
        "cameraSetupType": "setup" if row.is_test else "",
    }


def _tags(visit: Visit) -> Iterator[str]:
    row, pack = visit.row, visit.detection.pack
    if visit.judged.class_name:
        yield f"class:{tag_text(visit.judged.class_name)}"
    yield f"pack:{tag_text(pack.task)}@{tag_text(pack.version)}"
    yield f"backend:{tag_text(pack.backend)}-{tag_text(pack.precision)}"
    yield f"severity:{row.severity}"
    if visit.judged.is_human and row.class_name:
        said = "" if row.probability is None else f" {row.probability:.2f}"
        yield f"machine:{tag_text(row.class_name)}{said}"
    if row.clock != "trusted":
        yield f"clock:{row.clock or 'unknown'}"
