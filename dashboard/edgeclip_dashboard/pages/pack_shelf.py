"""The packs that lie here, why one stays, and a button for those that can go."""

from __future__ import annotations

import asyncio
from datetime import datetime, timezone

from nicegui import ui
from sqlalchemy.exc import SQLAlchemyError

from edgeclip.contract.plurals import megabytes
from edgeclip.errors import DashboardError
from edgeclip_dashboard import wording
from edgeclip_dashboard.field.clearing import OnShelf, remove_pack
from edgeclip_dashboard.identity import Identity
from edgeclip_dashboard.pages import parts
from edgeclip_dashboard.pages.context import PageContext
from edgeclip_dashboard.pages.doing import is_sure, not_stored


class PackShelfPanel:
    """The shelf as a list; built inside the current container.

    Args:
        context: The running dashboard.
        identity: Who removes: an admin.
    """

    def __init__(self, context: PageContext, identity: Identity) -> None:
        self._context = context
        self._identity = identity
        self._shown: tuple[OnShelf, ...] | None = None
        with ui.element("section").classes("panel"):
            parts.heading("Packs that lie here")
            self._amount = ui.label("").classes("quiet")
            self._told = ui.label("").classes("answer").props("role=status")
            self._told.set_visibility(False)
            self._list = ui.element("ul").classes("kept-packs")

    def show(self, found: tuple[OnShelf, ...]) -> None:
        """Show what lies here now."""
        if found == self._shown:
            return
        self._shown = found
        size = megabytes(sum(one.kept.size_bytes for one in found))
        amount = wording.amount(len(found), "pack")
        self._amount.set_text(f"{amount}, {size}" if found else "No pack lies here yet.")
        self._list.clear()
        with self._list:
            for one in found:
                self._build_one(one)

    def _build_one(self, one: OnShelf) -> None:
        kept = one.kept
        with ui.element("li"):
            ui.label(kept.name).classes("asked-name")
            came = wording.local(kept.written_at, self._context.zone)
            ui.label(f"{megabytes(kept.size_bytes)}, here since {came}, {kept.sha256[:12]}")
            if one.reason:
                ui.label(f"Stays: {one.reason}").classes("quiet")
                return

            async def on_click() -> None:
                await self._remove(one)

            button = ui.button("Remove", color=None, on_click=on_click)
            button.classes("action").props("flat dense no-caps")
            button.props["aria-label"] = f"Remove {kept.name}"

    async def _remove(self, one: OnShelf) -> None:
        question = (
            f"Remove {one.kept.name}? To send it or teach on it again it must be uploaded again;"
            " devices that have it keep it."
        )
        if await is_sure(question, "Remove"):
            self._told.set_text(await asyncio.to_thread(self._removed, one))
            self._told.set_visibility(True)
            self._context.feed.changed()

    def _removed(self, one: OnShelf) -> str:
        """Remove a delivery, and return what came of it."""
        try:
            gone = remove_pack(
                self._context.engine,
                self._context.sending.shelf,
                self._identity,
                one.kept.sha256,
                datetime.now(timezone.utc),
            )
        except DashboardError as error:
            return str(error)
        except SQLAlchemyError as error:
            return not_stored(error)
        return f"{gone.name} is removed: {megabytes(gone.size_bytes)} are free again."
