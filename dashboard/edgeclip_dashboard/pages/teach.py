"""`/teach`: one to five detections, a name and a pack in, a pack for `/packs` out."""

from __future__ import annotations

import asyncio
from datetime import datetime, timezone
from pathlib import Path
from typing import Final

from fastapi import Request
from nicegui import ui
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from edgeclip.contract.detection import is_detection_id
from edgeclip.errors import EdgeclipError
from edgeclip_dashboard.identity import Identity, identity_of
from edgeclip_dashboard.models import DetectionRow
from edgeclip_dashboard.pages import parts
from edgeclip_dashboard.pages.cards import DetectionCard, Look
from edgeclip_dashboard.pages.context import PageContext
from edgeclip_dashboard.pages.doing import not_stored
from edgeclip_dashboard.pages.frame import page_frame, require
from edgeclip_dashboard.pages.pack_labels import Choice, labels
from edgeclip_dashboard.queries import DetectionView, detection_views
from edgeclip_dashboard.review import read_detection
from edgeclip_dashboard.surroundings import Surroundings, read_surroundings
from edgeclip_dashboard.teaching.desk import Ground, Lesson, Taught
from edgeclip_dashboard.teaching.snapshots import MOST_IMAGES, is_for_teaching

_CSS = (Path(__file__).with_name("cards.css"), Path(__file__).with_name("teach.css"))
_MOST_SHOWN: Final = 36
_LOOKED_AT: Final = 60
_MOST_LETTERS: Final = 64
_ABOUT: Final = (
    "Choose one to five detections that show it, best at different times and places, and a pack on"
    " the page Packs. Nothing is trained: the class is predicted from these pictures, in seconds."
    " The threshold is a guess until you have labelled images to measure it with."
)


def add_teach_page(context: PageContext) -> None:
    """Register the page at `/teach`; its query names detections that are chosen already."""

    @ui.page("/teach")
    async def teach(request: Request) -> None:
        identity = identity_of(request.scope)
        require(identity, "reviewer")
        asked = request.query_params.getlist("detection")[:MOST_IMAGES]
        chosen = [own for own in dict.fromkeys(asked) if is_detection_id(own)]
        views, around = await asyncio.to_thread(_read, context, chosen)
        problem = await asyncio.to_thread(context.teaching.problem)
        grounds = await asyncio.to_thread(context.teaching.grounds)
        with page_frame(context, identity, "Teach", css=_CSS):
            page = TeachPage(context, identity, views, chosen)
            page.build(problem, grounds, Look(surroundings=around))


def _read(context: PageContext, chosen: list[str]) -> tuple[list[DetectionView], Surroundings]:
    """Return the chosen detections, and the newest others that can teach."""
    row = DetectionRow
    newest = select(row).where(row.failure.is_(None), row.phase != "retract")
    newest = newest.order_by(row.first_received_at.desc()).limit(_LOOKED_AT)
    with Session(context.engine) as session:
        first = [view for own in chosen if (view := read_detection(session, own))]
        known = {view.detection_id for view in first}
        rest = [
            view
            for view in detection_views(session, session.scalars(newest).all())
            if view.detection_id not in known and is_for_teaching(session, view)
        ]
        shown = [*first, *rest][:_MOST_SHOWN]
        return shown, read_surroundings(session, (view.device_id for view in shown))


class TeachPage:
    """One visitor's page; built inside the current NiceGUI container.

    Args:
        context: The running dashboard.
        identity: Who teaches.
        views: Detections to choose from, those that are chosen first.
        chosen: Ids of these.
    """

    def __init__(
        self,
        context: PageContext,
        identity: Identity,
        views: list[DetectionView],
        chosen: list[str],
    ) -> None:
        self._context = context
        self._identity = identity
        self._views = views
        known = {view.detection_id for view in views}
        self._chosen = [own for own in chosen if own in known]
        self._marks: dict[str, ui.element] = {}

    def build(self, problem: str | None, grounds: list[Ground], look: Look) -> None:
        """Build the form and the detections below it, or what keeps from teaching."""
        with ui.element("section").classes("panel teach"):
            ui.label(problem or _ABOUT).classes("quiet")
            if problem is None and not grounds:
                ui.label(
                    "There is no pack to build on yet: an admin uploads one on the page Packs."
                ).classes("quiet")
                if self._identity.may("admin"):
                    parts.link("To the packs", "/packs")
            elif problem is None:
                self._build_form(grounds)
            self._answer = ui.element("div").classes("answer").props("role=status")
            self._next = ui.element("div").classes("actions")
        if problem is None and grounds:
            self._build_choice(look)

    def _build_form(self, grounds: list[Ground]) -> None:
        self._form = ui.element("form").classes("teach-form")
        self._form.on("submit.prevent", self._teach)
        options = self._options(grounds)
        with self._form:
            self._name = ui.input("What is it called?").props(
                f"outlined dense maxlength={_MOST_LETTERS} name=name"
            )
            self._ground = ui.select(options, label="Build on", value=grounds[0].key)
            self._ground.props("outlined dense").classes("ground")
            self._button = ui.element("button").classes("action primary").props("type=submit")
            with self._button:
                ui.label("Teach it")
            self._count = ui.label("").classes("quiet")
        self._show_count()

    def _options(self, grounds: list[Ground]) -> dict[str, str]:
        choices = (Choice(g.key, g.name, g.delivery, g.came_at) for g in grounds)
        return labels(choices, self._context.zone)

    async def _offer_anew(self) -> None:
        """Offer what lies on the shelf now, such as what was just taught; the choice stays."""
        grounds = await asyncio.to_thread(self._context.teaching.grounds)
        options, chosen = self._options(grounds), self._ground.value
        first = next(iter(options), None)
        self._ground.set_options(options, value=chosen if chosen in options else first)

    def _build_choice(self, look: Look) -> None:
        parts.heading("Detections that show it")
        now = datetime.now(timezone.utc)
        with ui.element("div").classes("cards"):
            for view in self._views:
                with ui.element("div").classes("choice"):
                    DetectionCard(view, now, look)
                    self._mark(view.detection_id)
        if not self._views:
            ui.label("No detection with a picture has arrived yet.").classes("quiet")

    def _mark(self, detection_id: str) -> None:
        mark = ui.element("button").classes("action mark").props("type=button")
        mark.on("click", lambda: self._toggle(detection_id))
        with mark:
            ui.label("It shows it")
        self._marks[detection_id] = mark
        self._show_mark(detection_id)

    def _toggle(self, detection_id: str) -> None:
        if detection_id in self._chosen:
            self._chosen.remove(detection_id)
        elif len(self._chosen) >= MOST_IMAGES:
            ui.notify(f"{MOST_IMAGES} are the most: more are for `edgeclip train`", type="negative")
            return
        else:
            self._chosen.append(detection_id)
        self._show_mark(detection_id)
        self._show_count()

    def _show_mark(self, detection_id: str) -> None:
        mark = self._marks[detection_id]
        mark.props["aria-pressed"] = "true" if detection_id in self._chosen else "false"
        mark.update()

    def _show_count(self) -> None:
        self._count.set_text(f"{len(self._chosen)} of at most {MOST_IMAGES} chosen")

    async def _teach(self) -> None:
        lesson = Lesson(
            tuple(self._chosen), str(self._name.value or "").strip(), str(self._ground.value or "")
        )
        self._next.clear()
        self._say("It is being taught: this takes some seconds.", "")
        self._button.props["disabled"] = True
        self._button.update()
        try:
            teach = self._context.teaching.teach
            taught = await asyncio.to_thread(teach, self._identity, lesson)
        except EdgeclipError as error:
            self._say(str(error), "bad")
        except SQLAlchemyError as error:
            self._say(not_stored(error), "bad")
        else:
            self._show(taught)
        finally:
            del self._button.props["disabled"]
            self._button.update()
        await self._offer_anew()

    def _show(self, taught: Taught) -> None:
        self._say("", "good")
        with self._answer:
            with ui.element("p"):
                ui.label(f"{taught.pack} lies on the page ")
                self._link_packs("Packs")
                ui.label(f". {taught.said}")
            for note in taught.notes:
                ui.label(note).classes("notice")
        with self._next:
            if self._identity.may("admin"):
                parts.link("To the packs", "/packs").classes("action primary")
            else:
                ui.label("An admin can send it to devices from there.").classes("quiet")

    def _say(self, text: str, kind: str) -> None:
        self._answer.clear()
        self._answer.classes(replace=f"answer {kind}")
        if text:
            with self._answer:
                ui.label(text)

    def _link_packs(self, text: str) -> None:
        """Build a link to the page Packs, or its text for those whom it is not for."""
        if self._identity.may("admin"):
            parts.link(text, "/packs")
        else:
            ui.label(text)
