"""Send one device a new pack, let it decide, or take it back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from nicegui import ui
from sqlalchemy.exc import SQLAlchemyError

from edgeclip.contract.commands import CommandName
from edgeclip.errors import DashboardError
from edgeclip_dashboard.field.deliveries import Delivery
from edgeclip_dashboard.identity import Identity
from edgeclip_dashboard.pages.context import PageContext
from edgeclip_dashboard.pages.pack_upload import PackUpload

Ask = Callable[[CommandName, dict[str, Any]], Awaitable[None]]
Confirmed = Callable[[str, str], Awaitable[bool]]

_PROMOTE = "The candidate decides from now on, whatever its shadow run has shown."
_ROLL_BACK = "The candidate is dropped; without one, the pack before decides again."


class PackPanel:
    """The packs of one device; for admins.

    Args:
        context: The running dashboard.
        identity: Who sends.
        device_id: To whom.
        ask: Asks something else of the device.
        confirmed: Asks the person whether they mean it.
    """

    def __init__(
        self,
        context: PageContext,
        identity: Identity,
        device_id: str,
        ask: Ask,
        confirmed: Confirmed,
    ) -> None:
        self._sending = context.sending
        self._identity = identity
        self._device_id = device_id
        self._ask = ask
        self._confirmed = confirmed
        with ui.expansion("Packs", icon="inventory_2").classes("packs"):
            ui.label(
                "A pack is sent as the file of `edgeclip-device pack wrap`. The device checks its"
                " signature, runs it beside the one that decides, and promotes it if they agree."
            ).classes("quiet")
            self._upload = PackUpload(self._sending.shelf, self._offer, context.zone)
            with ui.element("div").classes("actions"):
                self._button("Promote the candidate", "pack_promote", _PROMOTE)
                self._button("Roll back", "pack_rollback", _ROLL_BACK)

    def _button(self, label: str, name: CommandName, warning: str) -> None:
        async def on_click() -> None:
            if await self._confirmed(label, warning):
                await self._ask(name, {})

        ui.button(label, color=None, on_click=on_click).classes("action").props("no-caps flat")

    def _offer(self, delivery: Delivery) -> None:
        async def on_click() -> None:
            try:
                await asyncio.to_thread(
                    self._sending.send, self._identity, self._device_id, delivery
                )
            except (DashboardError, SQLAlchemyError) as error:
                is_ours = isinstance(error, DashboardError)
                self._upload.say(str(error) if is_ours else "it could not be written down", "bad")
            else:
                self._upload.say("It is on its way; below stands how far it is.", "good")

        button = ui.button(f"Send it to {self._device_id}", color=None, on_click=on_click)
        button.classes("action primary").props("no-caps flat")
