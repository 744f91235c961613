"""`/deeds`: who did what, newest first; for admins."""

from __future__ import annotations

import asyncio
from datetime import tzinfo
from pathlib import Path
from typing import Final

from nicegui import ui
from sqlalchemy import Engine
from sqlalchemy.orm import Session
from starlette.requests import Request

from edgeclip_dashboard import wording
from edgeclip_dashboard.deeds import newest_deeds
from edgeclip_dashboard.identity import identity_of
from edgeclip_dashboard.models_people import Deed
from edgeclip_dashboard.pages.context import PageContext
from edgeclip_dashboard.pages.frame import page_frame, require

_CSS = Path(__file__).with_name("people.css")
_ON_A_PAGE: Final = 100


def add_deeds_page(context: PageContext) -> None:
    """Register the page."""

    @ui.page("/deeds", dark=context.dark)
    async def deeds(request: Request, before: int | None = None) -> None:
        identity = identity_of(request.scope)
        require(identity, "admin")
        rows = await asyncio.to_thread(_read, context.engine, before)
        with page_frame(context, identity, "Deeds", css=_CSS):
            _build(rows, context.zone)


def _read(engine: Engine, before: int | None) -> list[Deed]:
    with Session(engine) as session:
        return newest_deeds(session, _ON_A_PAGE, before=before)


def _build(rows: list[Deed], zone: tzinfo | None) -> None:
    if not rows:
        ui.label("Nothing older.").classes("quiet")
        return
    with ui.element("ol").classes("deeds"):
        for row in rows:
            with ui.element("li"):
                ui.label(wording.local(row.at, zone)).classes("when")
                ui.label(row.account_name).classes("name")
                ui.label(row.deed).classes("deed")
                ui.label(row.subject).classes("subject")
    if len(rows) == _ON_A_PAGE:
        with ui.element("a").props(f"href=/deeds?before={rows[-1].id}"):
            ui.label("Older ones")
