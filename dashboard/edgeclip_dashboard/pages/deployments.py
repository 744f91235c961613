"""`/deployments` and `/deployments/{id}`: what people know of each place."""

from __future__ import annotations

import asyncio
from datetime import datetime, timezone

from fastapi import HTTPException, Request
from nicegui import ui
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from edgeclip.contract.detection import is_identifier
from edgeclip.errors import DashboardError
from edgeclip_dashboard import wording
from edgeclip_dashboard.field.overview import PlaceView, read_overview
from edgeclip_dashboard.field.places import place_of, save_place, texts_of
from edgeclip_dashboard.identity import Identity, identity_of
from edgeclip_dashboard.models import Device
from edgeclip_dashboard.models_field import Deployment
from edgeclip_dashboard.pages import parts
from edgeclip_dashboard.pages.context import PageContext
from edgeclip_dashboard.pages.device_list import FIELD_CSS
from edgeclip_dashboard.pages.frame import page_frame

_LABELS = {
    "name": "Name",
    "latitude": "Latitude, degrees",
    "longitude": "Longitude, degrees",
    "uncertainty_m": "Uncertainty, m",
    "started_at": "Began (2026-05-01 06:30)",
    "ended_at": "Ended",
    "time_zone": "Time zone (Africa/Nairobi)",
    "camera_model": "Camera model",
    "setup_by": "Set up by",
    "habitat": "Habitat",
    "comments": "Comments",
}


def add_deployment_pages(context: PageContext) -> None:
    """Register the pages at `/deployments` and `/deployments/{deployment_id}`."""

    @ui.page("/deployments")
    async def deployments(request: Request) -> None:
        identity = identity_of(request.scope)
        places = await asyncio.to_thread(_read_all, context)
        with page_frame(context, identity, "Places", css=FIELD_CSS):
            _build_all(places)
            if identity.may("reviewer"):
                _build_new()

    @ui.page("/deployments/{deployment_id}")
    async def deployment(request: Request, deployment_id: str) -> None:
        if not is_identifier(deployment_id):
            raise HTTPException(404, "no deployment can have that id")
        identity = identity_of(request.scope)
        texts, devices = await asyncio.to_thread(_read_one, context, deployment_id)
        if not texts and not identity.may("reviewer"):
            raise HTTPException(404, "no deployment of that id is known")
        title = (texts or {}).get("name", deployment_id)
        with page_frame(context, identity, title, css=FIELD_CSS):
            _build_devices(deployment_id, devices)
            texts = texts or {"name": deployment_id, "time_zone": "UTC"}
            if identity.may("reviewer"):
                PlaceForm(context, identity, deployment_id, texts)
            else:
                with ui.element("section").classes("panel"):
                    told = [(_LABELS[name].split(" (")[0], text) for name, text in texts.items()]
                    parts.facts((name, text) for name, text in told if text)


def _read_all(context: PageContext) -> tuple[PlaceView, ...]:
    with Session(context.engine) as session:
        return read_overview(session, context.ledger, datetime.now(timezone.utc))


def _read_one(context: PageContext, deployment_id: str) -> tuple[dict[str, str] | None, list[str]]:
    with Session(context.engine) as session:
        row = session.get(Deployment, deployment_id)
        devices = session.query(Device.device_id).where(Device.deployment_id == deployment_id)
        return None if row is None else texts_of(row), [name for (name,) in devices]


def _build_all(places: tuple[PlaceView, ...]) -> None:
    rows = [
        (
            (place.name, f"/deployments/{place.deployment_id}"),
            place.deployment_id,
            _coordinates(place),
            _period(place),
            ", ".join(report.device_id for report in place.devices),
            str(place.recent),
        )
        for place in places
    ]
    titles = ("name", "id", "coordinates", "period", "devices", "detections in 7 days")
    with ui.element("section").classes("panel"):
        parts.table(titles, rows, "Deployments")
        if not rows:
            ui.label("A device's first message makes one.").classes("quiet")


def _coordinates(place: PlaceView) -> str:
    if place.latitude is None or place.longitude is None:
        return "unknown"
    return f"{place.latitude:.5f}, {place.longitude:.5f}"


def _period(place: PlaceView) -> str:
    days = [f"{at:%Y-%m-%d}" if at else "" for at in (place.started_at, place.ended_at)]
    return " to ".join(days) if any(days) else ""


def _build_new() -> None:
    with ui.element("section").classes("panel"):
        parts.heading("Another place")
        with ui.element("div").classes("actions"):
            wanted = ui.input("Id: a-z, 0-9 and -").props("dense outlined maxlength=32")
            ui.button(
                "Write it down", color=None, on_click=lambda: _go(wanted.value or "")
            ).classes("action").props("no-caps flat")


def _go(deployment_id: str) -> None:
    if is_identifier(deployment_id.strip()):
        ui.navigate.to(f"/deployments/{deployment_id.strip()}")
    else:
        ui.notify("An id has a-z, 0-9 and -, at most 32", type="negative")


def _by_label(text: str) -> str:
    """Return what is wrong with a place, its fields called as on the form."""
    for name, label in _LABELS.items():
        own = label.split(" (")[0].split(",")[0]
        text = own + text[len(name) :] if text.startswith(f"{name}:") else text
        text = text.replace(name, own) if "_" in name else text
    return text


def _build_devices(deployment_id: str, devices: list[str]) -> None:
    with ui.element("div").classes("actions quiet"):
        ui.label(deployment_id)
        for device_id in devices:
            parts.link(device_id, f"/devices/{device_id}")


class PlaceForm:
    """The form of a deployment; saved whole or not at all."""

    def __init__(
        self, context: PageContext, identity: Identity, deployment_id: str, texts: dict[str, str]
    ) -> None:
        self._context = context
        self._identity = identity
        self._deployment_id = deployment_id
        self._inputs: dict[str, ui.input | ui.textarea] = {}
        with ui.element("section").classes("panel"):
            with ui.element("div").classes("form"):
                for name, label in _LABELS.items():
                    kind = ui.textarea if name == "comments" else ui.input
                    field = kind(label, value=texts.get(name, "")).props("outlined dense")
                    field.props["name"] = name
                    if name == "time_zone":
                        field.props["hint"] = (
                            "Times of this place are told by it; UTC: by the project's."
                        )
                    self._inputs[name] = field
            with ui.element("div").classes("actions save"):
                button = ui.button("Save", color=None, on_click=self._save)
                button.classes("action primary").props("no-caps flat")
                self._said = ui.label("").props("role=status")

    async def _save(self) -> None:
        texts = {name: str(field.value or "") for name, field in self._inputs.items()}
        try:
            said = await asyncio.to_thread(self._write, texts)
        except (DashboardError, SQLAlchemyError) as error:
            is_ours = isinstance(error, DashboardError)
            said = _by_label(str(error)) if is_ours else "it could not be stored: see the log"
            self._say(said, "bad")
            return
        self._say(said, "good")

    def _write(self, texts: dict[str, str]) -> str:
        place, now = place_of(texts), datetime.now(timezone.utc)
        with Session(self._context.engine) as session, session.begin():
            save_place(session, self._deployment_id, place, self._identity, now)
        self._context.feed.changed()
        return f"Saved at {wording.local(now, self._context.zone)}"

    def _say(self, text: str, kind: str) -> None:
        self._said.set_text(text)
        self._said.classes(replace=kind)
