"""`/webhooks`: other systems that are told; for admins."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from fastapi import Request
from nicegui import ui
from pydantic import ValidationError
from sqlalchemy.orm import Session

from edgeclip_dashboard.identity import Identity, identity_of
from edgeclip_dashboard.pages import parts
from edgeclip_dashboard.pages.context import PageContext
from edgeclip_dashboard.pages.doing import Doing, is_sure, problems
from edgeclip_dashboard.pages.following import Following
from edgeclip_dashboard.pages.frame import page_frame, require
from edgeclip_dashboard.pages.notices import NOTICES_CSS
from edgeclip_dashboard.webhooks.desk import (
    WebhookView,
    add_webhook,
    all_webhooks,
    remove_webhook,
    switch_webhook,
)
from edgeclip_dashboard.webhooks.forms import WebhookForm
from edgeclip_dashboard.wording import utc

_FORMATS: Final = {
    "edgeclip": "edgeclip, signed",
    "earthranger": "EarthRanger",
    "gundi": "Gundi",
}


def add_webhooks_page(context: PageContext) -> None:
    """Register the page."""

    @ui.page("/webhooks")
    async def webhooks(request: Request) -> None:
        identity = identity_of(request.scope)
        require(identity, "admin")
        with page_frame(context, identity, "Webhooks", css=NOTICES_CSS):
            await _WebhooksPage(context, identity).begin()


class _WebhooksPage:
    def __init__(self, context: PageContext, identity: Identity) -> None:
        self._engine = context.engine
        self._identity = identity
        self._following = Following(context, self._read, self._show)
        self._doing = Doing(self._engine, self._following.refresh)
        self._build_form()
        self._list = ui.element("div").classes("notices")

    async def begin(self) -> None:
        """Read and show for the first time."""
        await self._following.begin()

    def _read(self) -> list[WebhookView]:
        with Session(self._engine) as session:
            return all_webhooks(session)

    def _build_form(self) -> None:
        with ui.element("form").classes("panel writer").on("submit.prevent", self._add):
            parts.heading("New webhook")
            with ui.element("div").classes("form"):
                self._name = ui.input("Name").props("outlined maxlength=100")
                self._format = ui.select(_FORMATS, value="edgeclip", label="Format")
                self._format.props("outlined")
                self._url = ui.input("Address, https://..").props("outlined spellcheck=false")
                self._secret = ui.input("Token or key")
                self._secret.props("outlined type=password autocomplete=off")
                self._secret.props["hint"] = "Empty for edgeclip: one is made, to sign with."
                self._event_type = ui.input("Event type").props("outlined spellcheck=false")
                self._event_type.props["hint"] = "As EarthRanger or Gundi knows it."
            with ui.element("div").classes("actions"):
                button = ui.button("Store the webhook", color=None)
                button.props("flat no-caps type=submit").classes("action primary")

    async def _add(self) -> None:
        typed = (self._secret.value or "").strip()
        made = "" if typed or self._format.value != "edgeclip" else secrets.token_urlsafe(32)
        try:
            form = WebhookForm(
                name=self._name.value or "",
                url=(self._url.value or "").strip(),
                secret=typed or made,
                format=self._format.value,
                event_type=(self._event_type.value or "").strip(),
            )
        except ValidationError as error:
            self._doing.tell(problems(error))
            return

        def deed(session: Session, at: datetime) -> None:
            add_webhook(session, self._identity, form, at)

        told = f"The webhook {form.name} is stored."
        once = f" It signs with {made} (shown this once)." if made else ""
        if await self._doing.do(deed, told + once):
            for field in (self._name, self._url, self._secret, self._event_type):
                field.set_value("")

    def _show(self, webhooks: list[WebhookView]) -> None:
        self._list.clear()
        with self._list:
            if not webhooks:
                ui.label("No other system is told.").classes("quiet")
            for view in webhooks:
                self._build(view)

    def _build(self, view: WebhookView) -> None:
        panel = ui.element("section").classes("panel told" if view.is_enabled else "panel told off")
        panel.props["aria-label"] = f"Webhook {view.name}"
        with panel:
            with ui.element("div").classes("head"):
                parts.heading(view.name)
                if not view.is_enabled:
                    ui.label("off").classes("badge")
            parts.facts(_facts(view))
            if view.error:
                ui.label(view.error).classes("bad")
            for reason in view.refused:
                ui.label(f"refused: {reason}").classes("wait")
            with ui.element("div").classes("actions"):
                on_off = "Switch off" if view.is_enabled else "Switch on"
                _button(on_off, lambda: self._switch(view))
                _button("Remove", lambda: self._remove(view)).classes("danger")

    async def _switch(self, view: WebhookView) -> None:
        is_on = not view.is_enabled

        def deed(session: Session, at: datetime) -> None:
            switch_webhook(session, self._identity, view.webhook_id, at, is_on=is_on)

        await self._doing.do(deed, f"The webhook {view.name} is {'on' if is_on else 'off'}.")

    async def _remove(self, view: WebhookView) -> None:
        def deed(session: Session, at: datetime) -> None:
            remove_webhook(session, self._identity, view.webhook_id, at)

        if await is_sure(f"Remove the webhook {view.name} and what waits for it?", "Remove it"):
            await self._doing.do(deed, f"The webhook {view.name} is removed.")


def _facts(view: WebhookView) -> list[tuple[str, str]]:
    sent = ", ".join(f"{count} {state}" for state, count in sorted(view.counts.items()))
    pairs = [
        ("format", view.format),
        ("address", _without_query(view.url)),
        ("deliveries", sent or "none yet"),
    ]
    if view.event_type:
        pairs.append(("event type", view.event_type))
    if view.failing_since is not None and view.is_enabled:
        pairs.append(("fails since", utc(view.failing_since)))
        pairs.append(("next try", utc(view.next_try_at)))
    return pairs


def _without_query(url: str) -> str:
    address, mark, _ = url.partition("?")
    return f"{address}?..." if mark else address


def _button(text: str, act: Callable[[], Any]) -> ui.button:
    return ui.button(text, color=None, on_click=act).props("flat no-caps").classes("action")
