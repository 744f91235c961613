"""One detection as a card: snapshot, class, probability, place, time, votes, phase, verdict."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from nicegui import ui

from edgeclip_dashboard import wording
from edgeclip_dashboard.overlays import ALL_LAYERS, Layers
from edgeclip_dashboard.pages.snapshot import build_snapshot
from edgeclip_dashboard.queries import DetectionView
from edgeclip_dashboard.surroundings import Surroundings


@dataclass(frozen=True)
class Look:
    """What a card shows beside the detection itself."""

    layers: Layers = ALL_LAYERS
    surroundings: Surroundings = field(default_factory=Surroundings)

    def battery(self, view: DetectionView) -> str:
        """Return the battery of a detection's device in words, or an empty string."""
        volts = wording.volts(self.surroundings.batteries.get(view.device_id))
        return f"battery {volts}" if volts else ""


class DetectionCard:
    """A card that follows its detection; built inside the current NiceGUI container."""

    def __init__(self, view: DetectionView, now: datetime, look: Look) -> None:
        self._view: DetectionView | None = None
        self._shown: tuple[object, ...] = ()
        self._snapshot: tuple[object, ...] = ()
        self.element = ui.element("article").classes("detection")
        with self.element:
            self._frame = ui.element("a").classes("snapshot")
            self._body = ui.element("div").classes("facts")
        self.show(view, now, look)

    def show(self, view: DetectionView, now: datetime, look: Look) -> None:
        """Show a revision; what has not changed is left alone."""
        place = wording.place(view, look.surroundings.places)
        zone = look.surroundings.zone_at(view.deployment_id)
        shown = (view, look.layers, place, zone, look.battery(view))
        if shown == self._shown:
            self.tick(now)
            return
        self._view, self._shown = view, shown
        kind = "failure" if view.failure else view.severity
        self.element.classes(replace=f"detection {kind} {wording.phase(view)}")
        self.element.props["aria-label"] = f"{kind}: {wording.title(view)}, {place}"
        self.element.props["data-detection-id"] = view.detection_id
        self.element.update()
        self._show_snapshot(view, look)
        self._body.clear()
        with self._body:
            self._build_facts(view, look)
        self.tick(now)

    def tick(self, now: datetime) -> None:
        """Let the times that are told as "ago" follow the clock."""
        if self._view is not None:
            self._ago.set_text(wording.ago(self._view.occurred_at, now))

    def _show_snapshot(self, view: DetectionView, look: Look) -> None:
        snapshot = (view.media[:1], view.rev, look.layers, view.failure)
        if snapshot == self._snapshot:
            return
        self._snapshot = snapshot
        self._frame.props["href"] = f"/detections/{view.detection_id}"
        self._frame.props["aria-label"] = f"Open {wording.title(view)}"
        self._frame.clear()
        with self._frame:
            build_snapshot(view, look.layers, look.surroundings.places)

    def _build_facts(self, view: DetectionView, look: Look) -> None:
        with ui.element("div").classes("badges"):
            build_badges(view)
        with ui.element("div").classes("headline"):
            with ui.element("h2").classes("species"):
                ui.label(wording.title(view))
            if view.probability is not None:
                ui.label(wording.percent(view.probability)).classes("probability")
        if view.scientific_name:
            ui.label(view.scientific_name).classes("scientific")
        if said := wording.caption(view):
            ui.label(said).classes("caption")
        ui.label(wording.place(view, look.surroundings.places)).classes("place")
        with ui.element("div").classes("when"):
            zone = look.surroundings.zone_at(view.deployment_id)
            ui.label(wording.local(view.occurred_at, zone))
            self._ago = ui.label("").classes("ago")
        pack = view.pack.partition(" on ")[0]  # what it ran on stands on the detection's page
        facts = (wording.votes(view), pack, look.battery(view))
        ui.label(" · ".join(fact for fact in facts if fact)).classes("votes")


def build_badges(view: DetectionView) -> None:
    """Build what a detection is, in short, inside the current container."""
    severity = "failure" if view.failure else view.severity
    ui.label(severity).classes(f"badge {severity}")
    ui.label(wording.phase(view)).classes("badge phase")
    if view.light == "ir":
        ui.label("night").classes("badge night")
    if view.is_test:
        ui.label("test").classes("badge test")
    if view.is_historical:
        ui.label("late").classes("badge late").tooltip("Sent long after it happened")
    if wording.clock(view):
        ui.label(wording.clock(view)).classes("badge late")
    if view.verdict:
        ui.label(wording.verdict(view)).classes(f"badge verdict {view.verdict}")
