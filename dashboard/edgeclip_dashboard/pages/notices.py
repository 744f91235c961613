"""`/notices`: what rules have told, what waits, and who has seen it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timezone, tzinfo
from pathlib import Path
from typing import Final

from fastapi import Request
from nicegui import ui
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from edgeclip_dashboard import wording
from edgeclip_dashboard.identity import Identity, identity_of
from edgeclip_dashboard.notices.claims import acknowledge
from edgeclip_dashboard.notices.desk import (
    NoticeView,
    find_open_notice,
    newest_notices,
    try_again,
)
from edgeclip_dashboard.notices.states import (
    ESCALATED,
    FAILED,
    OPEN,
    QUIET,
    RETRACTING,
    WAITING,
    WATCHED,
)
from edgeclip_dashboard.notices.words import where_it_stands
from edgeclip_dashboard.pages import parts
from edgeclip_dashboard.pages.context import PageContext
from edgeclip_dashboard.pages.doing import not_stored
from edgeclip_dashboard.pages.following import Following
from edgeclip_dashboard.pages.frame import page_frame

NOTICES_CSS: Final = Path(__file__).with_name("notices.css")
_MOST_SHOWN: Final = 100
_CHOICES: Final[dict[str, tuple[str, ...]]] = {
    "All": (),
    "Unanswered": (WATCHED, ESCALATED),
    "Not told yet": (WAITING, QUIET, RETRACTING),
    "Given up": (FAILED,),
}
Change = Callable[[Session, datetime], object]


def add_notices_page(context: PageContext) -> None:
    """Register the page."""

    @ui.page("/notices")
    async def notices(request: Request) -> None:
        identity = identity_of(request.scope)
        with page_frame(context, identity, "Notices", css=NOTICES_CSS):
            await _NoticesPage(context, identity).begin()


class _NoticesPage:
    def __init__(self, context: PageContext, identity: Identity) -> None:
        self._engine = context.engine
        self._zone = context.zone
        self._changed = context.feed.changed
        self._identity = identity
        self._states: tuple[str, ...] = ()
        with ui.element("div").classes("actions"):
            choice = ui.select(list(_CHOICES), value="All", label="Show").props("dense outlined")
            choice.classes("chooser")
            choice.on_value_change(lambda event: self._choose(event.value))
            self._count = ui.label("").classes("quiet").props("role=status")
        self._list = ui.element("div").classes("notices").props("role=list")
        self._following = Following(context, self._read, self._show)

    async def begin(self) -> None:
        """Read and show for the first time."""
        await self._following.begin()

    def _read(self) -> list[NoticeView]:
        with Session(self._engine) as session:
            return newest_notices(session, _MOST_SHOWN, states=self._states)

    def _choose(self, name: str) -> None:
        self._states = _CHOICES.get(name, ())
        self._following.refresh()

    def _show(self, notices: list[NoticeView]) -> None:
        newest = "newest " if len(notices) == _MOST_SHOWN else ""
        self._count.set_text(f"{newest}{wording.amount(len(notices), 'notice')}")
        self._list.clear()
        with self._list:
            if not notices:
                ui.label("Nothing was told yet. Rules say whom to tell of what.").classes("quiet")
            for notice in notices:
                self._build(notice)

    def _build(self, notice: NoticeView) -> None:
        kind = notice.state.replace(" ", "-")
        item = ui.element("article").classes(f"panel told {kind}").props("role=listitem")
        with item:
            with ui.element("div").classes("head"):
                if notice.is_urgent:
                    ui.label("alert").classes("badge alert")
                parts.heading(_title(notice))
            parts.facts(_facts(notice, self._zone))
            for line in notice.error.splitlines():
                ui.label(line).classes("wait")
            with ui.element("div").classes("actions"):
                self._build_actions(notice)

    def _build_actions(self, notice: NoticeView) -> None:
        if notice.told is not None:
            parts.link("Look", f"/detections/{notice.told.detection_id}").classes("action")
        number = notice.notice_id
        if notice.state in OPEN and self._identity.may("reviewer"):
            self._button("I have seen it", lambda: self._do(self._seen(number)))
        if notice.state == FAILED and self._identity.may("admin"):
            self._button(
                "Try again", lambda: self._do(lambda session, at: try_again(session, number, at))
            )

    def _seen(self, notice_id: int) -> Change:
        def change(session: Session, at: datetime) -> None:
            notice = find_open_notice(session, notice_id)
            if notice is not None:
                acknowledge(session, notice, self._identity.name, at)

        return change

    def _button(self, text: str, act: Callable[[], object]) -> None:
        ui.button(text, color=None, on_click=act).props("flat no-caps").classes("action")

    async def _do(self, change: Change) -> None:
        def do() -> None:
            with Session(self._engine) as session, session.begin():
                change(session, datetime.now(timezone.utc))

        try:
            await asyncio.to_thread(do)
        except SQLAlchemyError as error:
            ui.notify(not_stored(error), type="negative")
            return
        self._changed()


def _title(notice: NoticeView) -> str:
    if notice.told is None:
        return "A detection that is gone"
    what = notice.told.what.replace("_", " ")
    return f"{what} {wording.percent(notice.told.probability)} at {notice.told.place}"


def _facts(notice: NoticeView, elsewhere: tzinfo | None) -> list[tuple[str, str]]:
    told = notice.told
    seen = [("seen", wording.local(told.occurred_at, told.zone or elsewhere))] if told else []
    return [*seen, ("rule", notice.rule_name), ("stands", where_it_stands(notice))]
