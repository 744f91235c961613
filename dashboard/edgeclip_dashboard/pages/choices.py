"""What a person can choose from: the species and places that detections have."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from edgeclip_dashboard.distinct import values_of
from edgeclip_dashboard.models import DetectionRow
from edgeclip_dashboard.models_field import Deployment


@dataclass(frozen=True)
class Choices:
    """Values that occur, each with the text that is shown for it."""

    species: dict[str, str]
    places: dict[str, str]


def read_choices(engine: Engine) -> Choices:
    """Return what stands in the store: as devices and people named it."""
    with Session(engine) as session:
        told = values_of(session, DetectionRow.class_name)
        judged = select(DetectionRow.verdict_class).where(DetectionRow.verdict.is_not(None))
        said = session.scalars(judged.distinct())
        names = sorted({name for name in (*told, *said) if name})
        ids = values_of(session, DetectionRow.deployment_id)
        named = session.execute(select(Deployment.deployment_id, Deployment.name)).all()
    titles = {row.deployment_id: row.name for row in named if row.name}
    places = {one: titles.get(one, one) for one in sorted({*ids, *titles})}
    return Choices({name: name.replace("_", " ") for name in names}, places)
