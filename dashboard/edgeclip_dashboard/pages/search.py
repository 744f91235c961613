"""The page that searches by words: detections, the most alike first."""

from __future__ import annotations

import asyncio
from datetime import datetime, timezone
from pathlib import Path

from fastapi import Request
from nicegui import ui
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from edgeclip.errors import ConfigError, SetupError
from edgeclip_dashboard import wording
from edgeclip_dashboard.filter_query import EVERYTHING, filter_from, query_from
from edgeclip_dashboard.filters import DetectionFilter
from edgeclip_dashboard.identity import identity_of
from edgeclip_dashboard.pages.cards import DetectionCard, Look
from edgeclip_dashboard.pages.choices import Choices, read_choices
from edgeclip_dashboard.pages.context import PageContext
from edgeclip_dashboard.pages.filter_bar import FilterBar
from edgeclip_dashboard.pages.frame import page_frame
from edgeclip_dashboard.surroundings import Surroundings, read_surroundings
from edgeclip_dashboard.text_encoder import MOST_LETTERS
from edgeclip_dashboard.word_search import Found

_CSS = Path(__file__).with_name("search.css")
_CARD_CSS = Path(__file__).with_name("cards.css")
_MOST_SHOWN = 60


def add_search_page(context: PageContext) -> None:
    """Register the page at `/search`; its query is the words and a filter."""

    @ui.page("/search")
    async def search(request: Request) -> None:
        words = request.query_params.get("words", "").strip()[:MOST_LETTERS]
        choices = await asyncio.to_thread(read_choices, context.engine)
        with page_frame(context, identity_of(request.scope), "Search", css=(_CARD_CSS, _CSS)):
            page = SearchPage(context, words)
            try:
                shown = filter_from(request.query_params, zone=context.zone)
            except ConfigError as error:
                shown, words = EVERYTHING, ""
                page.say(str(error), is_problem=True)
            page.build(shown, choices)
            if words:
                ui.timer(0.01, page.search, once=True)


class SearchPage:
    """One visitor's page; built inside the current NiceGUI container.

    Args:
        context: The running dashboard.
        words: What is searched for; empty for nothing yet.
    """

    def __init__(self, context: PageContext, words: str) -> None:
        self._context = context
        self._words = words
        self._shown = EVERYTHING
        self._form = ui.element("form").classes("words").props("role=search")
        self._filter = ui.element("div").classes("tools")
        self._status = ui.label("").props("role=status")
        self._notice = ui.label("").classes("notice")
        self._notice.set_visibility(False)
        self._grid = ui.element("div").classes("grid")
        self._grid.props.update({"role": "feed", "aria-label": "Most alike first"})

    def build(self, shown: DetectionFilter, choices: Choices) -> None:
        """Build the controls.

        Args:
            shown: Which detections are ranked.
            choices: The species and places to choose from.
        """
        self._shown = shown
        self._form.on("submit.prevent", self._go)
        with self._form:
            self._input = ui.input("What is to be seen", value=self._words)
            self._input.props(f"outlined dense clearable maxlength={MOST_LETTERS}")
            self._input.props("autofocus placeholder='a leopard with a cub at night'")
            ui.button("Search", icon="search").props("type=submit unelevated no-caps")
        with self._filter:
            everything = f"?{query_from(EVERYTHING, more={'words': self._words})}"
            FilterBar(
                shown, choices, self._on_filter, everything=everything, zone=self._context.zone
            )
        if self._words:
            self.say("Searching. The first search loads the text encoder, which takes a while.")

    def say(self, text: str, *, is_problem: bool = False) -> None:
        """Say how the search stands."""
        self._status.set_text(text)
        self._status.classes(replace="problem" if is_problem else "status")

    async def search(self) -> None:
        """Search, and show what was found or why nothing can be."""
        find = self._context.search.find
        try:
            found = await asyncio.to_thread(find, self._words, self._shown, _MOST_SHOWN)
            around = await asyncio.to_thread(self._surroundings, found)
        except SetupError as error:
            self.say(f"Search by words does not work: {error}.", is_problem=True)
            return
        except SQLAlchemyError as error:
            self.say(f"The store cannot be read: {type(error).__name__}.", is_problem=True)
            return
        self._show(found, around)

    def _surroundings(self, found: Found) -> Surroundings:
        with Session(self._context.engine) as session:
            return read_surroundings(
                session, (hit.view.device_id for hit in found.hits), self._context.zone
            )

    def _show(self, found: Found, around: Surroundings) -> None:
        amount = wording.amount(found.searched, "detection")
        self.say(f"{len(found.hits)} of {amount} with image features, the most alike first")
        notice = _notice(found)
        self._notice.set_text(notice)
        self._notice.set_visibility(bool(notice))
        now, look = datetime.now(timezone.utc), Look(surroundings=around)
        with self._grid:
            for hit in found.hits:
                card = DetectionCard(hit.view, now, look)
                with card.element:
                    ui.label(f"similarity {hit.similarity:.2f}").classes("similarity")

    def _on_filter(self, shown: DetectionFilter) -> None:
        self._shown = shown
        if self._words:
            self._go()

    def _go(self) -> None:
        words = str(self._input.value or "").strip()
        more = {"words": words} if words else {}
        ui.navigate.to(f"/search?{query_from(self._shown, more=more)}")


def _notice(found: Found) -> str:
    """Return what a person must know of what was not searched, or an empty string."""
    if found.of_others:
        return (
            f"{wording.amount(found.of_others, 'detection')} cannot be searched with the encoder"
            f" {found.encoder.arch}: their packs have another one, name it in [search]."
        )
    if not found.searched:
        return (
            "No detection has image features yet: devices send them where [media].features is on"
            " and the pack leaves the encoder as it is."
        )
    return ""
