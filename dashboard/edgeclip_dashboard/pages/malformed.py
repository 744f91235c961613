"""`/malformed`: messages that could not be read or stored, as they came; for admins."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Final

from fastapi import Request
from nicegui import ui
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from edgeclip_dashboard import wording
from edgeclip_dashboard.identity import identity_of
from edgeclip_dashboard.models import Malformed
from edgeclip_dashboard.pages import parts
from edgeclip_dashboard.pages.context import PageContext
from edgeclip_dashboard.pages.device_list import FIELD_CSS
from edgeclip_dashboard.pages.frame import page_frame, require

_MOST_SHOWN: Final = 100
_BEGINNING: Final = 200  # bytes of a payload that are shown


@dataclass(frozen=True)
class MalformedView:
    """A message that is kept raw; `beginning` is the first of its bytes."""

    topic: str
    reason: str
    size_bytes: int
    beginning: bytes
    received_at: datetime

    @property
    def shown(self) -> str:
        """Return the beginning as text; what is none is named by its numbers."""
        more = " .." if self.size_bytes > len(self.beginning) else ""
        return self.beginning.decode("utf-8", "backslashreplace") + more


def add_malformed_page(context: PageContext) -> None:
    """Register the page."""

    @ui.page("/malformed")
    async def malformed(request: Request) -> None:
        identity = identity_of(request.scope)
        require(identity, "admin")
        found = await asyncio.to_thread(read_malformed, context.engine)
        with page_frame(context, identity, "Malformed messages", css=FIELD_CSS):
            _build(found, context.zone)


def read_malformed(engine: Engine) -> list[MalformedView]:
    """Return the newest messages that are kept raw, the newest first."""
    row = Malformed
    query = select(
        row.topic,
        row.reason,
        func.length(row.payload),
        func.substr(row.payload, 1, _BEGINNING, type_=row.payload.type),
        row.received_at,
    )
    with Session(engine) as session:
        newest = session.execute(query.order_by(row.id.desc()).limit(_MOST_SHOWN))
        return [MalformedView(*found) for found in newest]


def _build(found: list[MalformedView], zone: tzinfo | None) -> None:
    ui.label(
        "They could not be read or stored: where a message named its row, its device was told that"
        " it was refused, and why. One that speaks for another device, or is of no known version,"
        " says that a device is to be looked at or updated, or this dashboard."
    ).classes("quiet intro")
    with ui.element("section").classes("panel"):
        rows = [
            (
                wording.local(view.received_at, zone),
                view.topic,
                view.reason,
                wording.amount(view.size_bytes, "byte"),
                view.shown,
            )
            for view in found
        ]
        titles = ("received", "topic", "why", "size", "begins with")
        parts.table(titles, rows, "Malformed messages, the newest first")
        if not found:
            ui.label("There are none.").classes("quiet")
