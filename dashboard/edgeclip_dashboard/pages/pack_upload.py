"""Upload a pack's delivery; what is none is refused at once, with what to do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from datetime import tzinfo

from nicegui import events, ui

from edgeclip.errors import DashboardError
from edgeclip_dashboard import wording
from edgeclip_dashboard.field.deliveries import Delivery, PackShelf


class PackUpload:
    """A field for a file, and below it what that file holds.

    Args:
        shelf: Keeps what is uploaded.
        offer: Builds what can be done with a delivery, beside its description.
        zone: The clock by which it is said when it was made; None is UTC.
    """

    def __init__(
        self, shelf: PackShelf, offer: Callable[[Delivery], None], zone: tzinfo | None
    ) -> None:
        self._shelf = shelf
        self._zone = zone
        self._offer = offer
        self._shown = ""
        self._upload = ui.upload(
            label="The delivery's file",
            auto_upload=True,
            max_files=1,
            max_file_size=shelf.most_bytes,
            on_upload=self._on_upload,
            on_rejected=lambda: self.say("That file is too large.", "bad"),
        )
        self._upload.props("flat bordered accept=.zip")
        self._told = ui.element("div").classes("offer").props("role=status")

    def say(self, text: str, kind: str) -> None:
        """Say something in place of the delivery; kind is good or bad."""
        self._shown = ""
        self._told.clear()
        with self._told:
            ui.label(text).classes(kind)

    def forget(self, gone: Collection[str]) -> None:
        """Offer a delivery no more that is among those that are gone, by their SHA-256."""
        if self._shown in gone:
            self._shown = ""
            self._told.clear()

    async def show_kept(self, sha256: str) -> None:
        """Show a delivery that lies here already."""
        try:
            delivery = await asyncio.to_thread(self._shelf.find, sha256)
        except DashboardError as error:
            self.say(str(error), "bad")
        else:
            self._show(delivery)

    async def _on_upload(self, event: events.UploadEventArguments) -> None:
        try:
            place = await asyncio.to_thread(self._shelf.place_for_upload)
            await event.file.save(place)
            delivery = await asyncio.to_thread(self._shelf.take_in, place)
        except (DashboardError, OSError) as error:
            self.say(f"{event.file.name[:80]}: {error}", "bad")
        else:
            self._show(delivery)
        self._upload.reset()

    def _show(self, delivery: Delivery) -> None:
        self._shown = delivery.sha256
        self._told.clear()
        with self._told:
            size = f"{delivery.size_bytes / 1000:,.0f} kB".replace(",", " ")
            ui.label(", ".join(delivery.packs)).classes("asked-name")
            made = wording.local(delivery.made_at, self._zone)
            ui.label(f"made {made}, {size}, signed by key {delivery.key_id}")
            self._offer(delivery)
