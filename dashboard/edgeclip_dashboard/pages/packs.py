"""`/packs`: send a new pack to many devices, and see how far each is."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timezone

from fastapi import Request
from nicegui import ui
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from edgeclip.errors import DashboardError
from edgeclip_dashboard import wording
from edgeclip_dashboard.field.asked import AskedView, read_sent_packs
from edgeclip_dashboard.field.clearing import OnShelf, read_shelf
from edgeclip_dashboard.field.deliveries import Delivery
from edgeclip_dashboard.identity import Identity, identity_of
from edgeclip_dashboard.models import Device
from edgeclip_dashboard.pages import parts
from edgeclip_dashboard.pages.command_panel import NO_KEY
from edgeclip_dashboard.pages.context import PageContext
from edgeclip_dashboard.pages.device_list import FIELD_CSS
from edgeclip_dashboard.pages.following import Following
from edgeclip_dashboard.pages.frame import page_frame, require
from edgeclip_dashboard.pages.pack_choice import PackChoice
from edgeclip_dashboard.pages.pack_shelf import PackShelfPanel


@dataclass(frozen=True)
class Read:
    """What the page shows: by device what it runs, the newest packs sent, and what lies here."""

    devices: dict[str, str]
    sent: tuple[AskedView, ...]
    shelf: tuple[OnShelf, ...]


def add_packs_page(context: PageContext) -> None:
    """Register the page at `/packs`."""

    def read() -> Read:
        with Session(context.engine) as session:
            rows = session.execute(select(Device.device_id, Device.pack).order_by(Device.device_id))
            devices = {row[0]: row[1] or "" for row in rows}
            shelf = read_shelf(session, context.sending.shelf, datetime.now(timezone.utc))
            return Read(devices, read_sent_packs(session), shelf)

    @ui.page("/packs")
    async def packs(request: Request) -> None:
        identity = identity_of(request.scope)
        require(identity, "admin")
        with page_frame(context, identity, "Packs", css=FIELD_CSS):
            await Following(context, read, PacksPage(context, identity).show).begin()


class PacksPage:
    """One visitor's page."""

    def __init__(self, context: PageContext, identity: Identity) -> None:
        self._sending = context.sending
        self._feed = context.feed
        self._identity = identity
        self._zone = context.zone
        self._read = Read({}, (), ())
        self._choice: PackChoice | None = None
        with ui.element("section").classes("panel commands"):
            parts.heading("Send a pack")
            if self._sending.asking.author.key is None:
                ui.label(NO_KEY).classes("quiet")
            else:
                ui.label(
                    "Upload the file of `edgeclip-device pack wrap`, then choose who gets it."
                ).classes("quiet")
                self._choice = PackChoice(self._sending.shelf, self._offer, context.zone)
        with ui.element("section").classes("panel"):
            parts.heading("Sent")
            self._sent = ui.element("div").classes("sent-packs")
        self._shelf = PackShelfPanel(context, identity)

    def show(self, read: Read) -> None:
        """Show how far each device is, and what lies here."""
        self._shelf.show(read.shelf)
        if self._choice is not None:
            self._choice.show([one.kept for one in read.shelf])
        if read == self._read and self._sent.default_slot.children:
            return
        self._read = read
        now = datetime.now(timezone.utc)
        rows = [
            (
                (view.device_id, f"/devices/{view.device_id}"),
                view.said(now),
                view.details(),
                read.devices.get(view.device_id, ""),
                f"{view.account_name}, {wording.local(view.issued_at, self._zone)}",
            )
            for view in read.sent
        ]
        self._sent.clear()
        with self._sent:
            parts.table(("device", "state", "what it said", "runs", "sent by"), rows, "Packs sent")
            if not rows:
                ui.label("No pack was sent from here yet.").classes("quiet")

    def _offer(self, delivery: Delivery) -> None:
        self._feed.changed()  # it lies on the shelf now
        options = {
            device_id: f"{device_id} ({pack})" if pack else device_id
            for device_id, pack in self._read.devices.items()
        }
        chosen = ui.select(options, multiple=True, label="Devices", value=[])
        chosen.props("outlined dense use-chips").classes("who")

        async def on_click() -> None:
            await self._send(delivery, list(chosen.value or []))

        def choose_all() -> None:
            chosen.set_value(list(options))

        with ui.element("div").classes("actions"):
            every = ui.button("Choose all", color=None, on_click=choose_all)
            every.classes("action").props("no-caps flat")
            send = ui.button("Send it", color=None, on_click=on_click)
            send.classes("action primary").props("no-caps flat")

    async def _send(self, delivery: Delivery, device_ids: list[str]) -> None:
        if not device_ids:
            ui.notify("Choose at least one device", type="negative")
            return
        try:
            for device_id in device_ids:
                await asyncio.to_thread(self._sending.send, self._identity, device_id, delivery)
        except (DashboardError, SQLAlchemyError) as error:
            is_ours = isinstance(error, DashboardError)
            self._say(str(error) if is_ours else "it could not be written down", "bad")
        else:
            devices = wording.amount(len(device_ids), "device")
            self._say(f"It is on its way to {devices}.", "good")

    def _say(self, text: str, kind: str) -> None:
        if self._choice is not None:
            self._choice.say(text, kind)
