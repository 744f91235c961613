"""Where deployments are, as exactly as it may be told, and when they stood."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from edgeclip.contract.places import told_place
from edgeclip_dashboard.models_field import Deployment


@dataclass(frozen=True)
class Position:
    """Where a deployment is, or the middle of the cell that may be told.

    Attributes:
        latitude: Degrees, WGS 84.
        longitude: Degrees, WGS 84.
        uncertainty_m: How far off it may be; None where nobody said.
    """

    latitude: float
    longitude: float
    uncertainty_m: float | None


class Sites:
    """The deployments, read once each.

    Attributes:
        obscure_deg: Side of the grid's cells, degrees; None tells exact places.
    """

    def __init__(self, engine: Engine, obscure_deg: float | None) -> None:
        """Begin with none.

        Args:
            engine: Of the store.
            obscure_deg: Side of the grid's cells, degrees; None tells exact places.
        """
        self._engine, self.obscure_deg = engine, obscure_deg
        self._known: dict[str, Deployment] = {}

    def find(self, deployment_id: str) -> Deployment:
        """Return a deployment that some detection names."""
        if deployment_id not in self._known:
            with Session(self._engine) as session:
                self._known[deployment_id] = session.get_one(Deployment, deployment_id)
        return self._known[deployment_id]

    def position(self, deployment_id: str) -> Position | None:
        """Return where a deployment is, or None: nobody has said it yet."""
        row = self.find(deployment_id)
        if row.latitude is None or row.longitude is None:
            return None
        if self.obscure_deg is None:
            return Position(row.latitude, row.longitude, row.uncertainty_m)
        exact = row.latitude, row.longitude
        told = told_place(exact, "generalised", self.obscure_deg, row.uncertainty_m or 0.0)
        if told.latitude is None or told.longitude is None:
            raise ValueError("a generalised place has coordinates")
        return Position(told.latitude, told.longitude, told.uncertainty_m)
