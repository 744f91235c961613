"""One detection as a card: snapshot, class, probability, place, time, votes, phase."""

from __future__ import annotations

from datetime import datetime

from nicegui import ui

from edgeclip_dashboard import wording
from edgeclip_dashboard.queries import DetectionView


class DetectionCard:
    """A card that follows its detection; built inside the current NiceGUI container."""

    def __init__(self, view: DetectionView, now: datetime) -> None:
        self._view: DetectionView | None = None
        self._image_url = ""
        self.element = ui.element("article").classes("detection")
        with self.element:
            self._frame = ui.element("div").classes("snapshot")
            self._body = ui.element("div").classes("facts")
        self.show(view, now)

    def show(self, view: DetectionView, now: datetime) -> None:
        """Show a revision; what has not changed is left alone."""
        if view == self._view:
            self.tick(now)
            return
        self._view = view
        kind = "failure" if view.failure else view.severity
        self.element.classes(replace=f"detection {kind} {wording.phase(view)}")
        self.element.props["aria-label"] = f"{kind}: {wording.title(view)}, {wording.place(view)}"
        self.element.props["data-detection-id"] = view.detection_id
        self.element.update()
        self._show_snapshot(view)
        self._body.clear()
        with self._body:
            self._build_facts(view)
        self.tick(now)

    def tick(self, now: datetime) -> None:
        """Let the times that are told as "ago" follow the clock."""
        if self._view is not None:
            self._ago.set_text(wording.ago(self._view.occurred_at, now))

    def _show_snapshot(self, view: DetectionView) -> None:
        url = view.media[0].url if view.media else "none"
        if url == self._image_url:
            return
        self._image_url = url
        self._frame.clear()
        with self._frame:
            if not view.media:
                ui.icon("image_not_supported", size="2.5rem").props["aria-hidden"] = "true"
                ui.label(_without_snapshot(view))
                return
            link = ui.element("a")
            link.props.update({"href": url, "target": "_blank", "rel": "noopener"})
            link.props["aria-label"] = f"Open the snapshot of {wording.title(view)}"
            with link:
                image = ui.element("img")
                image.props["src"] = url
                image.props["alt"] = f"Snapshot: {wording.title(view)} at {wording.place(view)}"
                image.props.update({"loading": "lazy", "decoding": "async"})

    def _build_facts(self, view: DetectionView) -> None:
        with ui.element("div").classes("badges"):
            severity = "failure" if view.failure else view.severity
            ui.label(severity).classes(f"badge {severity}")
            ui.label(wording.phase(view)).classes("badge phase")
            if view.is_test:
                ui.label("test").classes("badge test")
            if view.is_historical:
                ui.label("late").classes("badge late").tooltip("Sent long after it happened")
        with ui.element("div").classes("headline"):
            heading = ui.element("h2").classes("species")
            with heading:
                ui.label(wording.title(view))
            if view.probability is not None:
                ui.label(wording.percent(view.probability)).classes("probability")
        if view.scientific_name:
            ui.label(view.scientific_name).classes("scientific")
        ui.label(wording.place(view)).classes("place")
        with ui.element("div").classes("when"):
            ui.label(wording.utc(view.occurred_at))
            self._ago = ui.label("").classes("ago")
        if wording.votes(view):
            ui.label(f"{wording.votes(view)} · {view.pack}").classes("votes")
        else:
            ui.label(view.pack).classes("votes")


def _without_snapshot(view: DetectionView) -> str:
    return "no snapshot: the device reported a failure" if view.failure else "no snapshot yet"
