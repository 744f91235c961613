"""Deployments as devices name them: made when the first message does, filled in by people."""

from __future__ import annotations

from datetime import datetime

from edgeclip.contract.detection import Place
from edgeclip_dashboard.batch import Batch
from edgeclip_dashboard.models_field import Deployment
from edgeclip_dashboard.zones import NOT_NOTED


def note_deployment(
    batch: Batch, deployment_id: str, at: datetime, place: Place | None = None
) -> None:
    """Make a deployment that is new; coordinates that a device may tell fill in what is empty.

    Args:
        batch: An open transaction.
        deployment_id: As the device names it.
        at: Now, aware UTC.
        place: Where a detection was; nothing that a person has written is changed by it.
    """
    row = batch.find(Deployment, deployment_id)
    if row is None:
        row = new_deployment(deployment_id, at)
        batch.add(row, deployment_id)
    if place is not None and row.latitude is None and row.longitude is None:
        row.latitude, row.longitude = place.latitude, place.longitude
        row.uncertainty_m = place.uncertainty_m


def new_deployment(deployment_id: str, at: datetime) -> Deployment:
    """Return a deployment of which nothing but its id is known."""
    texts = ("camera_model", "setup_by", "habitat", "comments")
    return Deployment(
        deployment_id=deployment_id,
        name=deployment_id,
        time_zone=NOT_NOTED,
        updated_at=at,
        **dict.fromkeys(texts, ""),
    )
