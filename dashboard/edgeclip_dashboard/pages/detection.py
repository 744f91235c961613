"""The page of one detection: media, facts, verdicts, all revisions, where it was."""

from __future__ import annotations

import asyncio
from pathlib import Path

from fastapi import Request
from nicegui import Client, background_tasks, ui

from edgeclip.contract.detection import is_detection_id
from edgeclip_dashboard import told_words, wording
from edgeclip_dashboard.detection_history import DetectionHistory, read_history
from edgeclip_dashboard.identity import Identity, identity_of
from edgeclip_dashboard.overlays import Layers
from edgeclip_dashboard.pages import parts
from edgeclip_dashboard.pages.asked import asked_from
from edgeclip_dashboard.pages.cards import build_badges
from edgeclip_dashboard.pages.choices import Choices, read_choices
from edgeclip_dashboard.pages.context import PageContext
from edgeclip_dashboard.pages.detection_tables import revisions_table, verdicts_table
from edgeclip_dashboard.pages.frame import page_frame
from edgeclip_dashboard.pages.place_plot import build_place
from edgeclip_dashboard.pages.snapshot import LayerSwitches, build_snapshot
from edgeclip_dashboard.pages.teach_links import teach_url
from edgeclip_dashboard.pages.verdict_buttons import VerdictButtons
from edgeclip_dashboard.verdicts import Said

_CSS = tuple(Path(__file__).with_name(name) for name in ("cards.css", "review.css"))


def add_detection_page(context: PageContext) -> None:
    """Register the page at `/detections/{detection_id}`."""

    @ui.page("/detections/{detection_id}")
    async def detection(request: Request, client: Client, detection_id: str) -> None:
        identity = identity_of(request.scope)
        history = None
        if is_detection_id(detection_id):
            history = await asyncio.to_thread(
                read_history, context.engine, detection_id, context.zone
            )
        if history is None:
            client.status_code = 404
            with page_frame(context, identity, "No such detection"):
                ui.label("Nothing is stored under this address: is it whole?")
            return
        choices = await asyncio.to_thread(read_choices, context.engine)
        with page_frame(context, identity, wording.title(history.view), css=_CSS):
            page = DetectionPage(context, identity, history, choices)
            page.switch(asked_from(request.query_params, zone=context.zone).layers)
        client.on_delete(context.feed.listen(page.follow))


class DetectionPage:
    """What one visitor sees of a detection; it follows later revisions and verdicts."""

    def __init__(
        self, context: PageContext, identity: Identity, history: DetectionHistory, choices: Choices
    ) -> None:
        self._context = context
        self._client = ui.context.client
        self._history = history
        self._is_reading = False
        with ui.element("div").classes("review"):
            with ui.element("section").props("aria-label=Media"):
                self._picture = ui.element("div").classes("snapshot large")
                self._switches = LayerSwitches(Layers(), self.switch)
                self._media = ui.element("div").classes("media")
            with ui.element("section").classes("panel").props("aria-label=Facts"):
                self._facts = ui.element("div").classes("facts")
                self._buttons: VerdictButtons | None = None
                if identity.may("reviewer") and history.view.failure is None:
                    self._buttons = VerdictButtons(
                        context, identity, choices.species, self._on_given, self._read,
                        with_note=True,
                    )  # fmt: skip
                if identity.may("reviewer") and history.view.failure is None:
                    with ui.element("div").classes("actions"):
                        parts.link("Teach this", teach_url(history.view.detection_id)).classes(
                            "action"
                        )
                self._verdicts = ui.element("div").classes("history")
                self._place = ui.element("div").classes("place-plot")
        self._revisions = ui.element("section").classes("history").props("aria-label=Revisions")
        self._layers = Layers()

    def switch(self, layers: Layers) -> None:
        """Show a choice of overlays."""
        self._layers = layers
        self._render()

    def follow(self) -> bool:
        """Read again what may have changed; a page of one detection is no list of the newest."""
        background_tasks.create(self._read())
        return False

    async def _on_given(self, detection_id: str, said: Said) -> None:
        del detection_id
        await self._read()
        ui.notify(f"noted: {said.word}", type="positive")

    async def _read(self) -> None:
        if self._is_reading:
            return
        self._is_reading = True
        try:
            detection_id = self._history.view.detection_id
            history = await asyncio.to_thread(
                read_history, self._context.engine, detection_id, self._context.zone
            )
        finally:
            self._is_reading = False
        if history is not None and history != self._history and not self._client.is_deleted:
            self._history = history
            self._render()

    def _render(self) -> None:
        history = self._history
        view, places = history.view, history.around.places
        zone = history.around.zone_at(view.deployment_id)
        if self._buttons is not None:
            self._buttons.ask(view.detection_id, view.rev)
        for part in (
            self._picture, self._media, self._facts, self._verdicts, self._place, self._revisions,
        ):  # fmt: skip
            part.clear()
        with self._client:
            with self._picture:
                build_snapshot(view, self._layers, places)
            with self._media:
                _build_media(history)
            with self._facts:
                _build_facts(history)
            with self._verdicts:
                verdicts_table(history.verdicts, zone)
            with self._place:
                build_place(history.position, history.others)
            with self._revisions:
                revisions_table(history.revisions, zone)


def _build_media(history: DetectionHistory) -> None:
    """Build all media of a detection, each a link to its file."""
    for media in history.view.media:
        with ui.element("figure"):
            link = ui.element("a").classes("snapshot")
            link.props.update({"href": media.url, "target": "_blank", "rel": "noopener"})
            with link:
                image = ui.element("img")
                image.props.update({"src": media.url, "loading": "lazy"})
                image.props["alt"] = f"Media {media.n}: {media.kind}"
            with ui.element("figcaption"):
                ui.label(f"{media.n}: {media.kind}, {media.width} x {media.height}")


def _build_facts(history: DetectionHistory) -> None:
    view, around = history.view, history.around
    zone = around.zone_at(view.deployment_id)
    with ui.element("div").classes("badges"):
        build_badges(view)
    with ui.element("div").classes("headline"):
        ui.label(view.scientific_name or view.observation_type).classes("scientific")
        ui.label(wording.percent(view.probability)).classes("probability")
    battery = wording.volts(around.batteries.get(view.device_id))
    parts.facts(
        (name, value)
        for name, value in (
            ("threshold", wording.percent(view.threshold)),
            ("frames", wording.votes(view)),
            ("in words", wording.caption(view)),
            ("answers", told_words.answers(view.attributes).replace("|", " · ")),
            ("place", around.places.get(view.deployment_id, view.deployment_id)),
            ("camera", view.camera_id),
            ("seen best", wording.local(view.occurred_at, zone)),
            ("clock", wording.clock(view)),
            ("began", wording.local(view.started_at, zone)),
            ("ended", wording.local(view.ended_at, zone) if view.ended_at else ""),
            ("arrived", wording.local(view.first_received_at, zone)),
            ("light", view.light or ""),
            ("pack", view.pack),
            ("battery", battery),
            ("id", view.detection_id),
        )
        if value
    )
    with ui.element("div").classes("actions"):
        parts.link(f"Device {view.device_id}", f"/devices/{view.device_id}").classes("action")
        same = f"/?deployment_ids={view.deployment_id}"
        parts.link("All from this place", same).classes("action")
