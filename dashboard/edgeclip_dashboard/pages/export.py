"""`/export`: choose what is handed on, and download it."""

from __future__ import annotations

import asyncio
from typing import Final

from fastapi import Request
from nicegui import ui
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from edgeclip.contract.places import GRIDS_DEG
from edgeclip.errors import DashboardError
from edgeclip_dashboard import wording
from edgeclip_dashboard.exports.request import Format
from edgeclip_dashboard.exports.sites import Sites, deployments_in
from edgeclip_dashboard.filter_query import query_from
from edgeclip_dashboard.filters import DetectionFilter
from edgeclip_dashboard.identity import identity_of
from edgeclip_dashboard.models import DetectionRow
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


class ExportPage:
    """One visitor's choices; the link of the button follows them."""

    def __init__(self, context: PageContext) -> None:
        self._context = context
        self._asked = _ALL
        self._kind: Format = "camtrap-dp"
        self._grid = _EXACT
        self._with_people = False
        self.filter_place = ui.element("div")
        with ui.element("section").classes("panel"):
            with ui.element("div").classes("form"):
                self._build_choices()
            self._count = ui.label("").classes("quiet").props("role=status")
            ui.label(_WHOLE_FIRST).classes("quiet")
            self._problem = ui.label("").classes("problem").props("role=alert")
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
        count, problem = await asyncio.to_thread(_look, self._context, asked, kind)
        more = {"obscure": f"{self._grid:g}"} if self._grid else {}
        more |= {"with_people": "true"} if self._with_people else {}
        query = query_from(asked, _ALL, more=more)
        self._link.props["href"] = f"/api/v1/export/{kind}" + (f"?{query}" if query else "")
        self._link.set_visibility(not problem and count > 0)
        told = f"To be written: {wording.amount(count, 'detection')}"
        self._count.set_text(told if count else "No detection matches: there is nothing to write.")
        self._problem.set_text(problem)
        self._problem.set_visibility(bool(problem))

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


def _look(context: PageContext, asked: DetectionFilter, kind: Format) -> tuple[int, str]:
    """Return how many detections meet a filter, and why they cannot be written, if so."""
    query = select(func.count()).select_from(DetectionRow).where(*asked.conditions())
    with Session(context.engine) as session:
        count = session.scalar(query) or 0
    if kind != "camtrap-dp":
        return count, ""
    try:
        Sites(context.engine, None).require_positions(deployments_in(context.engine, asked))
    except DashboardError as error:
        return count, str(error)
    return count, ""
