"""People who are told, and what is between them and the store, for the tests of notices."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from edgeclip.contract.detection import Detection
from edgeclip_dashboard.messages import DetectionMessage
from edgeclip_dashboard.notices.teller import Teller
from support.clocks import StandingClock
from support.dashboards import sample
from support.listeners import HttpListener
from support.rules import add_rule

if TYPE_CHECKING:
    from dashboard.conftest import Desk


@dataclass
class Team:
    """A store, a clock, people's server, and the worker between them."""

    desk: Desk
    server: HttpListener
    clock: StandingClock = field(default_factory=StandingClock)

    def __post_init__(self) -> None:
        self.teller = Teller(self.desk.engine, "https://cams.example.org", clock=self.clock.now)

    def rule(self, **values: Any) -> int:
        """Store a rule that tells the server's path /team, unless values say otherwise."""
        return add_rule(self.desk.engine, **({"channels": (self.server.channel("team"),)} | values))

    def see(self, count: int = 1, **changes: Any) -> list[Detection]:
        """Store detections that were seen now."""
        time = sample().time.model_copy(
            update={"best_at": self.clock.at, "started_at": self.clock.at}
        )
        seen = [sample(**({"time": time, "seq": seq} | changes)) for seq in range(1, count + 1)]
        self.store(*seen)
        return seen

    def store(self, *detections: Detection) -> None:
        """Store revisions in one batch, now."""
        messages = [DetectionMessage(one, one.to_json()) for one in detections]
        self.desk.store.commit(messages, self.clock.at)

    def later(self, **span: float) -> None:
        """Let time pass, and the worker look."""
        self.clock.at += timedelta(**span)
        self.teller.step()

    def told(self) -> list[tuple[str, str]]:
        """Return path and title of all that was told."""
        return [(heard.path, heard.json()["title"]) for heard in self.server.heard]
