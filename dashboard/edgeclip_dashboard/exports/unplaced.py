"""What was seen at places without coordinates: how much, and how a person is told of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sqlalchemy import Engine, func, or_, select
from sqlalchemy.orm import Session

from edgeclip.contract.plurals import counted, first_of
from edgeclip.errors import MappingError
from edgeclip_dashboard.exports.visits import observed
from edgeclip_dashboard.filters import DetectionFilter
from edgeclip_dashboard.models import DetectionRow
from edgeclip_dashboard.models_field import Deployment

REMEDY: Final = "fill them in on the page Places"
_MOST_NAMED: Final = 10

Unplaced = Mapping[str, int]
"""Deployment ids without coordinates -> how many detections were seen there."""


def read_unplaced(engine: Engine, asked: DetectionFilter) -> dict[str, int]:
    """Return how many observations of a filter are of places that nobody has located yet.

    Args:
        engine: Of the store.
        asked: Which detections.
    """
    row, place = DetectionRow, Deployment
    query = (
        select(row.deployment_id, func.count())
        .join(place, place.deployment_id == row.deployment_id)
        .where(*asked.conditions(), observed())
        .where(or_(place.latitude.is_(None), place.longitude.is_(None)))
        .group_by(row.deployment_id)
        .order_by(row.deployment_id)
    )
    with Session(engine) as session:
        return {row[0]: row[1] for row in session.execute(query)}


def left_out(unplaced: Unplaced) -> str:
    """Say what is left out: `12 detections of 1 place without coordinates are left out (ridge)`."""
    is_one = sum(unplaced.values()) == 1
    return f"{amount_of(unplaced)} {'is' if is_one else 'are'} left out ({names_of(unplaced)})"


def amount_of(unplaced: Unplaced) -> str:
    """Return how much it is: `12 detections of 1 place without coordinates`."""
    detections = counted(sum(unplaced.values()), "detection")
    return f"{detections} of {counted(len(unplaced), 'place')} without coordinates"


def names_of(unplaced: Unplaced) -> str:
    """Return the first deployment ids, sorted."""
    return first_of(sorted(unplaced), _MOST_NAMED)


def refusal(unplaced: Unplaced) -> MappingError:
    """Return the error of a Camtrap DP package for which nobody has said to leave them out."""
    return MappingError(
        f"Camtrap DP needs coordinates, which are unknown of {names_of(unplaced)}"
        f" ({counted(sum(unplaced.values()), 'detection')}): {REMEDY}, or leave out what was seen"
        " there with --leave-out-unplaced (leave_out_unplaced=true in an address)"
    )
