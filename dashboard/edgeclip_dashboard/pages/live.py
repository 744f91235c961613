"""The live page: newest detections, devices and the link, pushed as they are committed."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

from fastapi import Request
from nicegui import Client, ui

from edgeclip_dashboard import wording
from edgeclip_dashboard.identity import identity_of
from edgeclip_dashboard.pages.cards import DetectionCard
from edgeclip_dashboard.pages.context import PageContext
from edgeclip_dashboard.pages.devices import DevicePanel
from edgeclip_dashboard.pages.frame import page_frame
from edgeclip_dashboard.queries import Picture

_TICK_S = 10.0
_CSS = Path(__file__).with_name("live.css")


def add_live_page(context: PageContext) -> None:
    """Register the page at `/`."""

    @ui.page("/")
    def live(request: Request, client: Client) -> None:
        with page_frame(context, identity_of(request.scope), "Live", css=_CSS):
            page = LivePage(context, client)
        remove = context.feed.listen(page.show)
        client.on_connect(page.on_connect)
        client.on_delete(remove)
        ui.timer(_TICK_S, page.tick)


class LivePage:
    """One visitor's page."""

    def __init__(self, context: PageContext, client: Client) -> None:
        self._context = context
        self._client = client
        self._cards: dict[str, DetectionCard] = {}
        self._build_totals()
        with ui.element("div").classes("board"):
            detections = ui.element("section").classes("detections")
            detections.props["aria-label"] = "Detections"
            with detections:
                self._build_notices()
                self._grid = ui.element("div").classes("grid")
                self._grid.props.update({"role": "feed", "aria-label": "Newest detections"})
            devices = ui.element("aside").classes("devices")
            devices.props.update({"aria-label": "Devices", "id": "devices"})
            with devices:
                with ui.element("h2"):
                    ui.label("Devices")
                self._devices = DevicePanel()
        self.show()

    def show(self) -> bool:
        """Show the feed's picture and the link; say whether a browser is connected."""
        picture = self._context.feed.picture
        now = datetime.now(timezone.utc)
        with self._client:
            self._show_problem()
            if picture is not None:
                self._show_cards(picture, now)
                self._devices.show(picture.devices, now)
                self._show_counts(picture)
        return self._client.has_socket_connection

    def tick(self) -> None:
        """Let the told times follow the clock."""
        now = datetime.now(timezone.utc)
        for card in self._cards.values():
            card.tick(now)
        self._devices.tick(now)

    def on_connect(self) -> None:
        """Note that what the page was built with is now in a browser."""
        self._context.feed.note_shown()

    def _build_totals(self) -> None:
        totals = ui.element("a").classes("counts")
        totals.props["href"] = "#devices"
        with totals:
            self._counts = ui.label("")
            self._online = ui.label("")

    def _build_notices(self) -> None:
        self._problem = ui.label("").classes("problem")
        self._problem.props["role"] = "alert"
        self._malformed = ui.label("").classes("notice")
        self._empty = ui.element("div").classes("empty")
        with self._empty:
            ui.icon("photo_camera", size="3rem").props["aria-hidden"] = "true"
            with ui.element("h2"):
                ui.label("No detections yet")
            ui.label(
                f"Waiting for devices of project {self._context.settings.project} at"
                f" {self._context.health.link.broker}."
            )
            ui.label("On a device, name the same project and broker in device.toml and start")
            ui.label("edgeclip-device run --config device.toml").classes("command")

    def _show_problem(self) -> None:
        problem = self._context.health.store_error or self._context.feed.error or ""
        self._problem.set_text(problem)
        self._problem.set_visibility(bool(problem))

    def _show_counts(self, picture: Picture) -> None:
        counts = picture.counts
        detections = wording.amount(counts.detections, "detection")
        self._counts.set_text(f"{detections} · {wording.amount(counts.media, 'snapshot')}")
        states = [view.state for view in picture.devices]
        devices = wording.amount(len(states), "device")
        self._online.set_text(f"{states.count('online')} of {devices} online")
        self._online.classes(replace="bad" if "offline" in states else "good")
        kept = "Messages that could not be read or stored, kept raw in the database"
        self._malformed.set_text(f"{kept}: {counts.malformed}")
        self._malformed.set_visibility(bool(counts.malformed))
        self._empty.set_visibility(not picture.detections)

    def _show_cards(self, picture: Picture, now: datetime) -> None:
        wanted = {view.detection_id for view in picture.detections}
        for detection_id in [known for known in self._cards if known not in wanted]:
            self._cards.pop(detection_id).element.delete()
        for position, view in enumerate(picture.detections):
            card = self._cards.get(view.detection_id)
            if card is not None:
                card.show(view, now)
                continue
            with self._grid:
                card = DetectionCard(view, now)
            card.element.move(self._grid, target_index=position)
            self._cards[view.detection_id] = card
