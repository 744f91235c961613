"""`/acknowledge`: a signed link of a message leads here; a plain page, also for strangers.

Opening it changes nothing: mail filters open links, too. The button does.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timezone

from fastapi import FastAPI, Request
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session
from starlette.responses import Response

from edgeclip_dashboard.forms import CSRF_FIELD, FormError, read_form
from edgeclip_dashboard.models import DetectionRow
from edgeclip_dashboard.models_notices import Notice
from edgeclip_dashboard.notices.claims import acknowledge, told_of
from edgeclip_dashboard.notices.links import LINK_PATH, Links, link_key
from edgeclip_dashboard.notices.teller import utc_now
from edgeclip_dashboard.pages.context import PageContext
from edgeclip_dashboard.pages.plain import Field, form, message_page, paragraph, plain_page
from edgeclip_dashboard.wording import utc

_BY_LINK = "link"
_DEAD = "This link is not valid any more: open the page of notices."


def add_acknowledge_page(app: FastAPI, context: PageContext) -> None:
    """Register the page."""
    page = _AcknowledgePage(context)
    app.get(LINK_PATH)(page.show)
    app.post(LINK_PATH)(page.send)


class _AcknowledgePage:
    def __init__(self, context: PageContext) -> None:
        self._engine = context.engine
        self._changed = context.feed.changed
        self._theme = context.settings.page.theme

    async def show(self, request: Request, notice: int, until: int, token: str) -> Response:
        return await self._answer(request, notice, until, token, is_sent=False)

    async def send(self, request: Request, notice: int, until: int, token: str) -> Response:
        try:
            await read_form(request, token)
        except FormError as error:
            return message_page(str(error), status=400)
        return await self._answer(request, notice, until, token, is_sent=True)

    async def _answer(
        self, request: Request, notice: int, until: int, token: str, *, is_sent: bool
    ) -> Response:
        try:
            told = await asyncio.to_thread(self._look, notice, until, token, is_sent)
        except SQLAlchemyError:
            return message_page("The store cannot be read: try again.", status=503)
        if told is None:
            return message_page(_DEAD, status=404)
        if is_sent:
            self._changed()
        what, stands = told
        if stands:
            return plain_page("Acknowledged", [paragraph(what), paragraph(stands)])
        address = f"{LINK_PATH}?{request.url.query}"
        fields = [Field(CSRF_FIELD, kind="hidden", value=token)]
        parts = [paragraph(what), form(address, fields, "I have seen it")]
        return plain_page("Have you seen it?", parts, theme=self._theme)

    def _look(
        self, notice_id: int, until: int, token: str, is_sent: bool
    ) -> tuple[str, str] | None:
        """Return what a notice told and who acknowledged it, if anybody has, or None."""
        if not Links(link_key(self._engine), utc_now).is_valid(notice_id, until, token):
            return None
        with Session(self._engine) as session, session.begin():
            notice = session.get(Notice, notice_id, with_for_update=True)
            row = session.get(DetectionRow, notice.detection_id) if notice else None
            if notice is None or row is None:
                return None
            if is_sent:
                acknowledge(session, notice, _BY_LINK, datetime.now(timezone.utc))
            told = told_of(session, row)
            stands = ""
            if notice.acknowledged_at is not None:
                stands = f"Acknowledged by {notice.acknowledged_by}, {utc(notice.acknowledged_at)}."
            return f"{told.what.replace('_', ' ')} at {told.place}", stands
