"""The live page: newest detections, devices and the link, pushed as they are committed."""

from __future__ import annotations

import asyncio
from datetime import datetime, timezone
from pathlib import Path

from fastapi import Request
from nicegui import Client, background_tasks, ui
from sqlalchemy.orm import Session

from edgeclip_dashboard import wording
from edgeclip_dashboard.filters import DetectionFilter
from edgeclip_dashboard.identity import identity_of
from edgeclip_dashboard.overlays import Layers
from edgeclip_dashboard.pages.asked import Asked, asked_from
from edgeclip_dashboard.pages.cards import DetectionCard, Look
from edgeclip_dashboard.pages.choices import Choices, read_choices
from edgeclip_dashboard.pages.context import PageContext
from edgeclip_dashboard.pages.devices import DevicePanel
from edgeclip_dashboard.pages.filter_bar import FilterBar
from edgeclip_dashboard.pages.frame import page_frame
from edgeclip_dashboard.pages.snapshot import LayerSwitches
from edgeclip_dashboard.queries import DetectionView, Picture, read_detections
from edgeclip_dashboard.surroundings import Surroundings, read_surroundings

_TICK_S = 10.0
_CSS = Path(__file__).with_name("live.css")
_CARD_CSS = Path(__file__).with_name("cards.css")


def add_live_page(context: PageContext) -> None:
    """Register the page at `/`; its query is a filter, and where an older page begins."""

    @ui.page("/")
    async def live(request: Request, client: Client) -> None:
        asked = asked_from(request.query_params, zone=context.zone)
        choices = await asyncio.to_thread(read_choices, context.engine)
        with page_frame(context, identity_of(request.scope), "Live", css=(_CARD_CSS, _CSS)):
            page = LivePage(context, client, asked, choices)
            await page.begin()
        client.on_delete(context.feed.listen(page.show))
        client.on_connect(page.on_connect)
        ui.timer(_TICK_S, page.tick)


class LivePage:
    """One visitor's page.

    Args:
        context: The running dashboard.
        client: The browser's end.
        asked: What the address asks for.
        choices: What can be asked for.
    """

    def __init__(
        self, context: PageContext, client: Client, asked: Asked, choices: Choices
    ) -> None:
        self._context = context
        self._client = client
        self._asked = asked
        self._found: tuple[DetectionView, ...] = ()
        self._look = Look(asked.layers)
        self._is_reading = self._is_stale = self._has_shown = False
        self._cards: dict[str, DetectionCard] = {}
        self._build(choices)

    def _build(self, choices: Choices) -> None:
        self._build_totals()
        with ui.element("div").classes("board"):
            detections = ui.element("section").classes("detections")
            detections.props["aria-label"] = "Detections"
            with detections:
                self._build_notices()
                self._tools = ui.element("div").classes("tools")
                with self._tools:
                    FilterBar(self._asked.shown, choices, self._on_filter, zone=self._context.zone)
                    LayerSwitches(self._asked.layers, self._on_layers)
                self._nothing = ui.label("No detection matches this filter.")
                self._nothing.classes("notice nothing")
                self._grid = ui.element("div").classes("grid")
                self._grid.props.update({"role": "feed", "aria-label": "Newest detections"})
                self._older = ui.element("a").classes("action older")
                with self._older:
                    ui.label("Older detections")
            devices = ui.element("aside").classes("devices")
            devices.props.update({"aria-label": "Devices", "id": "devices"})
            with devices:
                with ui.element("h2"):
                    ui.label("Devices")
                self._devices = DevicePanel()

    async def begin(self) -> None:
        """Show what is asked for, once it is read."""
        if self._asked.is_everything:
            self.show()
        else:
            await self.read()

    def show(self) -> bool:
        """Show the feed's picture; say whether a browser that shows the newest is connected."""
        picture = self._context.feed.picture
        if not self._asked.is_everything:
            background_tasks.create(self.read())
        elif picture is not None:
            self._found = picture.detections
            self._look = Look(self._asked.layers, picture.surroundings)
        self._render()
        return self._client.has_socket_connection and self._asked.is_everything

    async def read(self) -> None:
        """Read what the filter lets through, and again if something changed meanwhile."""
        self._is_stale = True
        if self._is_reading:
            return
        self._is_reading = True
        try:
            while self._is_stale and not self._asked.is_everything:
                self._is_stale = False
                asked = self._asked
                self._found, around = await asyncio.to_thread(self._read, asked)
                self._look = Look(asked.layers, around)
        finally:
            self._is_reading = False
        if not self._client.is_deleted:
            self._render()

    def _read(self, asked: Asked) -> tuple[tuple[DetectionView, ...], Surroundings]:
        newest = self._context.settings.page.newest
        with Session(self._context.engine) as session:
            found = read_detections(session, newest, asked.shown, before=asked.before)
            devices = (view.device_id for view in found)
            return found, read_surroundings(session, devices, self._context.zone)

    def tick(self) -> None:
        """Let the told times follow the clock."""
        now = datetime.now(timezone.utc)
        for card in self._cards.values():
            card.tick(now)
        self._devices.tick(now)

    def on_connect(self) -> None:
        """Note that what the page was built with is now in a browser."""
        if self._asked.is_everything:
            self._context.feed.note_shown()

    def _render(self) -> None:
        picture = self._context.feed.picture
        now = datetime.now(timezone.utc)
        with self._client:
            self._show_problem()
            self._show_cards(now)
            self._show_older()
            if picture is not None:
                self._devices.show(picture.devices, picture.surroundings, now)
                self._show_counts(picture)

    def _on_filter(self, shown: DetectionFilter) -> None:
        self._ask(Asked(shown, self._asked.layers))

    def _on_layers(self, layers: Layers) -> None:
        self._ask(Asked(self._asked.shown, layers, self._asked.before))

    def _ask(self, asked: Asked) -> None:
        """Show something else, under an address of its own."""
        self._asked = asked
        self._has_shown = False
        self._look = Look(asked.layers, self._look.surroundings)
        ui.navigate.history.replace(f"?{asked.query()}")
        background_tasks.create(self.begin())

    def _build_totals(self) -> None:
        totals = ui.element("a").classes("counts")
        totals.props["href"] = "#devices"
        with totals:
            self._counts = ui.label("")
            self._online = ui.label("")

    def _build_notices(self) -> None:
        self._problem = ui.label("").classes("problem")
        self._problem.props["role"] = "alert"
        self._malformed = ui.element("a").classes("notice").props("href=/malformed")
        with self._malformed:
            self._kept_raw = ui.label("")
        self._spoken = ui.label("").classes("hidden-text").props("role=log aria-live=assertive")
        with ui.element("div").classes("notice back") as self._back:
            ui.label("Older detections: this list does not grow.")
            with ui.element("a").props("href=/"):
                ui.label("Back to the newest")
        self._empty = ui.element("div").classes("empty")
        with self._empty:
            build_welcome(self._context)

    def _show_problem(self) -> None:
        health, feed = self._context.health, self._context.feed
        problem = health.store_error or feed.error or self._asked.problem
        self._problem.set_text(problem)
        self._problem.set_visibility(bool(problem))

    def _show_counts(self, picture: Picture) -> None:
        counts, shown = picture.counts, len(picture.detections)  # counts may be some seconds old
        detections = wording.amount(max(counts.detections, shown), "detection")
        self._counts.set_text(f"{detections} · {wording.amount(counts.media, 'snapshot')}")
        states = [view.state for view in picture.devices]
        devices = wording.amount(len(states), "device")
        self._online.set_text(f"{states.count('online')} of {devices} online")
        self._online.classes(replace="bad" if "offline" in states else "good")
        self._kept_raw.set_text(f"Messages that could not be read or stored: {counts.malformed}")
        self._malformed.set_visibility(bool(counts.malformed))
        self._empty.set_visibility(not shown)
        self._tools.set_visibility(bool(shown))
        self._online.set_visibility(bool(states))
        self._nothing.set_visibility(bool(shown) and not self._found)

    def _show_older(self) -> None:
        self._back.set_visibility(self._asked.before is not None)
        is_more = len(self._found) == self._context.settings.page.newest
        self._older.set_visibility(is_more)
        if is_more:
            address = self._asked.older_than(self._found[-1].detection_id)
            self._older.props["href"] = f"/?{address.query()}"
            self._older.update()

    def _show_cards(self, now: datetime) -> None:
        wanted = {view.detection_id for view in self._found}
        for detection_id in [known for known in self._cards if known not in wanted]:
            self._cards.pop(detection_id).element.delete()
        for position, view in enumerate(self._found):
            card = self._cards.get(view.detection_id)
            if card is not None:
                card.show(view, now, self._look)
                continue
            with self._grid:
                card = DetectionCard(view, now, self._look)
            if self._has_shown:
                self._announce(view, card)
            card.element.move(self._grid, target_index=position)
            self._cards[view.detection_id] = card
        self._has_shown = True

    def _announce(self, view: DetectionView, card: DetectionCard) -> None:
        """Let one that has just come be seen, and an alert be heard by those who hear the page."""
        card.element.classes("fresh")
        if view.severity == "alert":
            place = wording.place(view, self._look.surroundings.places)
            self._spoken.set_text(f"Alert: {wording.title(view)} at {place}")


def build_welcome(context: PageContext) -> None:
    """Build what an empty store says: how the first detection gets here."""
    ui.icon("photo_camera", size="3rem").props["aria-hidden"] = "true"
    with ui.element("h2"):
        ui.label("No detections yet")
    broker, project = context.health.link.broker, context.settings.project
    ui.label(f"Waiting for devices of project {project} at {broker}.")
    ui.label("On a device, name the same project and broker in device.toml and start")
    ui.label("edgeclip-device run --config device.toml").classes("command")
