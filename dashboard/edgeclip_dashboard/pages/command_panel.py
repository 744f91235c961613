"""What can be asked of a device, by role, and what it said."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timezone, tzinfo
from typing import Any, Final

from nicegui import ui
from sqlalchemy.exc import SQLAlchemyError

from edgeclip.contract.commands import CommandName
from edgeclip.errors import DashboardError
from edgeclip_dashboard import wording
from edgeclip_dashboard.field.asked import AskedView
from edgeclip_dashboard.field.asking import may_ask
from edgeclip_dashboard.identity import Identity
from edgeclip_dashboard.pages import parts
from edgeclip_dashboard.pages.context import PageContext
from edgeclip_dashboard.pages.pack_panel import PackPanel

Args = dict[str, Any]
NO_KEY: Final = (
    "Nothing can be asked of devices or sent to them yet: make a key on the server with"
    " edgeclip-export keygen dashboard.key, name it as key_file in [commands] of dashboard.toml,"
    " and dashboard.key.pub as one of admins in [commands] of each device.toml."
)


@dataclass(frozen=True)
class Button:
    """A command that takes nothing from the person; `warns` is asked about first."""

    label: str
    icon: str
    name: CommandName
    args: tuple[tuple[str, Any], ...] = ()
    warns: str = ""


_BUTTONS: Final = (
    Button("Snapshot now", "photo_camera", "snapshot"),
    Button("Ping", "network_ping", "ping"),
    Button("Arm", "play_arrow", "arm"),
    Button("Disarm", "pause", "disarm", warns="It classifies nothing until it is armed again."),
    Button("Log of detect", "article", "logs", (("service", "detect"),)),
    Button("Log of uplink", "article", "logs", (("service", "uplink"),)),
    Button("Restart detect", "restart_alt", "restart", (("service", "detect"),),
           "It sees nothing for some seconds."),
    Button("Restart uplink", "restart_alt", "restart", (("service", "uplink"),),
           "It is offline for some seconds."),
    Button("Reboot", "power_settings_new", "reboot", warns="The whole machine starts anew."),
)  # fmt: skip
_THRESHOLDS: Final = ("on", "off", "peak")


class CommandPanel:
    """The commands of one device; for reviewers and admins.

    Args:
        context: The running dashboard.
        identity: Who asks.
        device_id: Of whom.
    """

    def __init__(self, context: PageContext, identity: Identity, device_id: str) -> None:
        self._asking = context.sending.asking
        self._identity = identity
        self._device_id = device_id
        with ui.element("section").classes("panel commands"):
            parts.heading("Commands")
            if self._asking.author.key is None:
                ui.label(NO_KEY).classes("quiet")
            else:
                self._build_buttons()
                self._build_thresholds()
                if may_ask(identity, "pack_add"):
                    PackPanel(context, identity, device_id, self.ask, self.confirmed)
            self._list = ui.element("div").classes("asked")

    def show(self, asked: tuple[AskedView, ...], zone: tzinfo | None) -> None:
        """Show what was asked, and what was said, by the clock of a zone."""
        now = datetime.now(timezone.utc)
        self._list.clear()
        with self._list:
            for view in asked:
                _build_asked(view, now, zone)

    async def ask(self, name: CommandName, args: Args) -> None:
        """Ask something; what is wrong with that is told at once."""
        try:
            await asyncio.to_thread(self._asking.ask, self._identity, self._device_id, name, args)
        except (DashboardError, SQLAlchemyError) as error:
            is_ours = isinstance(error, DashboardError)
            said = str(error) if is_ours else "it could not be written down: see the log"
            ui.notify(said, type="negative", timeout=8000)
        else:
            ui.notify(f"{name.replace('_', ' ')} sent", type="positive")

    async def confirmed(self, title: str, warning: str) -> bool:
        """Ask a person whether they mean it."""
        with ui.dialog() as dialog, ui.element("div").classes("panel confirm"):
            parts.heading(f"{title}?")
            ui.label(warning)
            with ui.element("div").classes("actions"):
                _action(title, lambda: dialog.submit(True), "action danger")
                _action("Leave it", lambda: dialog.submit(False), "action")
        is_meant = bool(await dialog)
        dialog.delete()
        return is_meant

    def _build_buttons(self) -> None:
        with ui.element("div").classes("actions"):
            for button in _BUTTONS:
                if may_ask(self._identity, button.name):
                    _action(button.label, self._handler(button), "action", button.icon)

    def _handler(self, button: Button) -> Callable[[], Awaitable[None]]:
        async def on_click() -> None:
            if not button.warns or await self.confirmed(button.label, button.warns):
                await self.ask(button.name, dict(button.args))

        return on_click

    def _build_thresholds(self) -> None:
        with ui.expansion("Thresholds", icon="tune").classes("thresholds"):
            ui.label("What is left empty stays. The device holds them to its own bounds.").classes(
                "quiet"
            )
            with ui.element("div").classes("form"):
                name = ui.input("Class").props("outlined dense maxlength=64")
                values = {
                    key: ui.number(key, min=0, max=1, step=0.01).props("outlined dense")
                    for key in _THRESHOLDS
                }

            async def on_click() -> None:
                given = {key: field.value for key, field in values.items()}
                args = {key: value for key, value in given.items() if value is not None}
                if not (name.value or "").strip() or not args:
                    ui.notify("Name a class, and at least one threshold", type="negative")
                    return
                await self.ask("thresholds", {"class_name": name.value.strip(), **args})

            _action("Set thresholds", on_click, "action")


def _action(
    label: str, on_click: Callable[[], object], classes: str, icon: str | None = None
) -> None:
    button = ui.button(label, icon=icon, color=None, on_click=on_click)
    button.classes(classes).props("no-caps flat")


def _build_asked(view: AskedView, now: datetime, zone: tzinfo | None) -> None:
    with ui.element("article").classes(f"asked-one {view.state}"):
        with ui.element("div").classes("asked-head"):
            ui.label(view.name.replace("_", " ")).classes("asked-name")
            ui.label(view.said(now)).classes("badge asked-state")
            ui.label(f"{view.account_name}, {wording.local(view.issued_at, zone)}").classes("quiet")
        if view.details():
            ui.label(view.details()).classes("asked-details")
        if jpeg := view.snapshot():
            image = ui.element("img").classes("asked-snapshot")
            image.props["src"] = f"data:image/jpeg;base64,{jpeg}"
            image.props["alt"] = f"Snapshot of {wording.local(view.replied_at, zone)}"
        if lines := view.lines():
            with ui.expansion(f"{len(lines)} lines").classes("asked-lines"):
                ui.label("\n".join(lines)).classes("log-lines")
