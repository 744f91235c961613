"""Which pack is sent: one that is uploaded now, or one that lies here already."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import tzinfo

from nicegui import ui

from edgeclip_dashboard.field.deliveries import Delivery, Kept, PackShelf
from edgeclip_dashboard.pages.pack_labels import Choice, labels
from edgeclip_dashboard.pages.pack_upload import PackUpload


class PackChoice:
    """A field for a file, a list of what lies here, and below them what was chosen.

    Args:
        shelf: Has the packs.
        offer: Builds what can be done with a delivery, beside its description.
        zone: The clock by which times are said; None is UTC.
    """

    def __init__(
        self, shelf: PackShelf, offer: Callable[[Delivery], None], zone: tzinfo | None
    ) -> None:
        self._zone = zone
        self._here: dict[str, str] = {}
        self._upload = PackUpload(shelf, offer, zone)
        self._chosen = ui.select({}, label="Or one that lies here").classes("who shelf")
        self._chosen.props("outlined dense")
        self._chosen.on_value_change(self._on_change)
        self._chosen.set_visibility(False)

    def say(self, text: str, kind: str) -> None:
        """Say something in place of the delivery; kind is good or bad."""
        self._upload.say(text, kind)

    def show(self, kept: Sequence[Kept]) -> None:
        """Show what lies here now; what was chosen and is gone is offered no more."""
        whole = (one for one in kept if one.packs)
        here = labels((Choice(k.sha256, k.name, k.sha256, k.written_at) for k in whole), self._zone)
        if here == self._here:
            return
        gone = self._here.keys() - here.keys()
        self._here = here
        value = self._chosen.value if self._chosen.value in here else None
        self._chosen.set_options(here, value=value)
        self._chosen.set_visibility(bool(here))
        self._upload.forget(gone)

    async def _on_change(self) -> None:
        if self._chosen.value:
            await self._upload.show_kept(str(self._chosen.value))
