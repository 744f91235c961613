"""Another system, and what is between it and the store, for the tests of webhooks."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy.orm import Session

from edgeclip.contract.detection import Detection
from edgeclip_dashboard.messages import DetectionMessage
from edgeclip_dashboard.models_field import Deployment
from edgeclip_dashboard.webhooks.courier import Courier
from support.clocks import StandingClock
from support.listeners import HttpListener
from support.rules import add_webhook, deliveries

if TYPE_CHECKING:
    from dashboard.conftest import Desk

SECRET = "whsec-0123456789"


@dataclass
class Partner:
    """A store, a clock, another system, and the courier between them."""

    desk: Desk
    server: HttpListener
    clock: StandingClock = field(default_factory=StandingClock)

    def __post_init__(self) -> None:
        self.courier = Courier(self.desk.engine, clock=self.clock.now)

    def hook(self, path: str = "/in", **values: Any) -> int:
        """Store a webhook at a path of the server."""
        return add_webhook(self.desk.engine, self.server.url + path, **values)

    def store(self, *detections: Detection) -> None:
        """Store revisions in one batch."""
        messages = [DetectionMessage(one, one.to_json()) for one in detections]
        self.desk.store.commit(messages, self.clock.at)

    def later(self, **span: float) -> None:
        """Let time pass, and the courier go."""
        self.clock.at += timedelta(**span)
        self.courier.step()

    def states(self) -> list[str]:
        """Return where its deliveries stand."""
        return [delivery.state for delivery in deliveries(self.desk.engine)]

    def place(self, latitude: float, longitude: float) -> None:
        """Write name and coordinates of the only deployment."""
        with Session(self.desk.engine) as session, session.begin():
            row = session.get_one(Deployment, "ridge-2026")
            row.name, row.latitude, row.longitude = "North ridge", latitude, longitude


def revision(first: Detection, rev: int, phase: str) -> Detection:
    """Return a later revision of a detection."""
    return first.model_copy(update={"rev": rev, "seq": first.seq + rev, "phase": phase})
