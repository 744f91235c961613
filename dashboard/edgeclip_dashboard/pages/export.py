"""`/export`: choose what is handed on, and download it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from fastapi import Request
from nicegui import ui
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from edgeclip.contract.places import GRIDS_DEG
from edgeclip_dashboard import wording
from edgeclip_dashboard.exports.request import WITH_FAILURES, Format
from edgeclip_dashboard.exports.unplaced import (
    Unplaced,
    amount_of,
    left_out,
    names_of,
    read_unplaced,
)
from edgeclip_dashboard.exports.visits import observed
from edgeclip_dashboard.filter_query import query_from
from edgeclip_dashboard.filters import DetectionFilter
from edgeclip_dashboard.identity import identity_of
from edgeclip_dashboard.models import DetectionRow
from edgeclip_dashboard.pages import parts
from edgeclip_dashboard.pages.choices import read_choices
from edgeclip_dashboard.pages.context import PageContext
from edgeclip_dashboard.pages.device_list import FIELD_CSS
from edgeclip_dashboard.pages.filter_bar import FilterBar
from edgeclip_dashboard.pages.frame import page_frame, require

_FORMATS: Final[dict[Format, str]] = {
    "camtrap-dp": "Camtrap DP 1.0.2, with pictures (zip)",
    "md-json": "MegaDetector JSON 1.6, with pictures (zip)",
    "csv": "CSV, a row a visit",
    "csv-frames": "CSV, a row a picture",
    "geojson": "GeoJSON, a point a visit",
}
_EXACT: Final = 0.0
_PLACES: Final = {_EXACT: "exact"} | {grid: f"on a grid of {grid:g} degree" for grid in GRIDS_DEG}
_ALL: Final = DetectionFilter()
_WHOLE_FIRST: Final = (
    "The file is written whole before the download begins: many pictures take a while."
)


def add_export_page(context: PageContext) -> None:
    """Register the page; it is for reviewers."""

    @ui.page("/export")
    async def export(request: Request) -> None:
        identity = identity_of(request.scope)
        require(identity, "reviewer")
        choices = await asyncio.to_thread(read_choices, context.engine)
        with page_frame(context, identity, "Export", css=FIELD_CSS):
            page = ExportPage(context)
            with page.filter_place:
                FilterBar(_ALL, choices, page.set_filter, base=_ALL, zone=context.zone)
        await page.refresh()


@dataclass(frozen=True)
class Look:
    """What a choice would write.

    Attributes:
        count: Detections.
        unplaced: Of these what Camtrap DP cannot say, by place; empty for other formats.
    """

    count: int
    unplaced: Unplaced

    @property
    def lost(self) -> int:
        """How many cannot be written."""
        return sum(self.unplaced.values())


class ExportPage:
    """One visitor's choices; the link of the button follows them."""

    def __init__(self, context: PageContext) -> None:
        self._context = context
        self._asked = _ALL
        self._kind: Format = "camtrap-dp"
        self._grid = _EXACT
        self._with_people = False
        self._is_left_out = False
        self.filter_place = ui.element("div")
        with ui.element("section").classes("panel"):
            with ui.element("div").classes("form"):
                self._build_choices()
            self._count = ui.label("").classes("quiet").props("role=status")
            ui.label(_WHOLE_FIRST).classes("quiet")
            self._build_unplaced()
            with ui.element("div").classes("actions"):
                self._link = ui.element("a").classes("action").props("download id=download")
                with self._link:
                    ui.label("Download")

    async def set_filter(self, asked: DetectionFilter) -> None:
        """Take another filter."""
        self._asked = asked
        await self.refresh()

    async def refresh(self) -> None:
        """Let link, count and problem follow what is chosen."""
        asked, kind = self._asked, self._kind
        look = await asyncio.to_thread(_look, self._context.engine, asked, kind)
        is_left_out = self._is_left_out and look.lost > 0
        more = {"obscure": f"{self._grid:g}"} if self._grid else {}
        more |= {"with_people": "true"} if self._with_people else {}
        more |= {"leave_out_unplaced": "true"} if is_left_out else {}
        query = query_from(asked, _ALL, more=more)
        self._link.props["href"] = f"/api/v1/export/{kind}" + (f"?{query}" if query else "")
        count = look.count - look.lost if is_left_out else look.count
        self._link.set_visibility(count > 0 and (is_left_out or not look.lost))
        self._count.set_text(_told(count, look))
        self._tell_unplaced(look.unplaced, is_left_out=is_left_out)

    def _build_unplaced(self) -> None:
        """Build what is said of places without coordinates, and the choice to leave them out."""
        self._problem = ui.label("").classes("problem").props("role=alert")
        self._left_out = ui.label("").classes("notice").props("role=status")
        with ui.element("div").classes("actions unplaced") as self._unplaced:
            box = ui.checkbox("Leave out what was seen at places without coordinates")
            box.on_value_change(lambda event: self._set_left_out(event.value))
            parts.link("Fill them in on the page Places", "/deployments").classes("action")

    def _tell_unplaced(self, unplaced: Unplaced, *, is_left_out: bool) -> None:
        is_problem = bool(unplaced) and not is_left_out
        self._unplaced.set_visibility(bool(unplaced))
        self._problem.set_visibility(is_problem)
        self._left_out.set_visibility(is_left_out)
        whose = f"{amount_of(unplaced)} ({names_of(unplaced)})"
        self._problem.set_text(f"Camtrap DP needs coordinates: {whose}" if is_problem else "")
        told = f"{left_out(unplaced)}; the package says so, too."
        self._left_out.set_text(told if is_left_out else "")

    def _build_choices(self) -> None:
        kinds = ui.select(dict(_FORMATS), value=self._kind, label="Format").props("dense outlined")
        kinds.on_value_change(lambda event: self._set_kind(event.value))
        grids = ui.select(dict(_PLACES), value=self._grid, label="Places").props("dense outlined")
        grids.on_value_change(lambda event: self._set_grid(event.value))
        people = ui.checkbox("Also pictures with people")
        people.on_value_change(lambda event: self._set_people(event.value))

    async def _set_kind(self, kind: Format) -> None:
        self._kind = kind
        await self.refresh()

    async def _set_grid(self, grid: float) -> None:
        self._grid = grid
        await self.refresh()

    async def _set_people(self, with_people: bool | None) -> None:
        self._with_people = bool(with_people)
        await self.refresh()

    async def _set_left_out(self, is_left_out: bool | None) -> None:
        self._is_left_out = bool(is_left_out)
        await self.refresh()


def _told(count: int, look: Look) -> str:
    if not look.count:
        return "No detection matches: there is nothing to write."
    if not count:
        return "Nothing is left to write: all of it was seen at places without coordinates."
    return f"To be written: {wording.amount(count, 'detection')}"


def _look(engine: Engine, asked: DetectionFilter, kind: Format) -> Look:
    """Return how many detections would be written, and which of them nobody has located."""
    query = select(func.count()).select_from(DetectionRow).where(*asked.conditions())
    if kind not in WITH_FAILURES:
        query = query.where(observed())
    with Session(engine) as session:
        count = session.scalar(query) or 0
    return Look(count, read_unplaced(engine, asked) if kind == "camtrap-dp" else {})
