"""The activity page: what was seen day by day, and at which hour, by species or by place."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from pathlib import Path
from typing import Final

from fastapi import Request
from nicegui import ui
from sqlalchemy.exc import SQLAlchemyError

from edgeclip_dashboard import wording
from edgeclip_dashboard.activity import Activity, Grouping, read_activity
from edgeclip_dashboard.filters import DetectionFilter
from edgeclip_dashboard.identity import identity_of
from edgeclip_dashboard.pages import parts
from edgeclip_dashboard.pages.activity_charts import build_days, build_hours, build_totals
from edgeclip_dashboard.pages.asked import Asked, asked_from
from edgeclip_dashboard.pages.choices import Choices, read_choices
from edgeclip_dashboard.pages.context import PageContext
from edgeclip_dashboard.pages.filter_bar import FilterBar
from edgeclip_dashboard.pages.frame import page_frame

log = logging.getLogger(__name__)

COUNTED: Final = DetectionFilter(with_failures=False)
"""What is counted where the address asks for nothing else: no tests."""

_CSS = Path(__file__).with_name("activity.css")
_REFRESH_S = 300.0  # a hundred thousand detections take most of a second to count
_GROUPINGS: Final[dict[Grouping, str]] = {"species": "by species", "place": "by place"}


def add_activity_page(context: PageContext) -> None:
    """Register the page at `/activity`; its query is a filter, and `by` (species, place)."""

    @ui.page("/activity")
    async def activity(request: Request) -> None:
        asked = asked_from(request.query_params, COUNTED, zone=context.zone)
        by = request.query_params.get("by", "")
        grouping: Grouping = "place" if by == "place" else "species"
        choices = await asyncio.to_thread(read_choices, context.engine)
        with page_frame(context, identity_of(request.scope), "Activity", css=_CSS):
            page = ActivityPage(context, asked, grouping, choices)
        ui.timer(0, page.count, once=True)  # after the page went out: it may take a while
        ui.timer(_REFRESH_S, page.count)


class ActivityPage:
    """What one visitor counts."""

    def __init__(
        self, context: PageContext, asked: Asked, grouping: Grouping, choices: Choices
    ) -> None:
        self._context = context
        self._asked = asked
        self._grouping = grouping
        self._choices = choices
        self._counted: Activity | None = None
        self._lock = asyncio.Lock()
        if asked.problem:
            ui.label(asked.problem).classes("problem").props("role=alert")
        with ui.element("div").classes("tools"):
            FilterBar(asked.shown, choices, self._on_filter, base=COUNTED, zone=self._context.zone)
            with ui.element("div").classes("actions").props('role=group aria-label="Series"'):
                self._buttons = {one: self._button(one, title) for one, title in _GROUPINGS.items()}
        self._summary = ui.label("Counting ..").classes("summary").props("role=status")
        self._charts = ui.element("div")

    async def count(self) -> None:
        """Count anew, and draw what has changed."""
        async with self._lock:
            shown, grouping = self._asked.shown, self._grouping
            engine = self._context.engine
            try:
                counted = await asyncio.to_thread(
                    read_activity, engine, shown, grouping, self._context.zone
                )
            except SQLAlchemyError as error:
                log.error("activity cannot be counted: %s", error)
                self._summary.set_text("The store cannot be read: the dashboard's log says why.")
                return
        if counted != self._counted and (shown, grouping) == (self._asked.shown, self._grouping):
            self._counted = counted
            self._draw(counted)

    async def _on_filter(self, shown: DetectionFilter) -> None:
        self._asked = replace(self._asked, shown=shown, problem="")
        await self._ask()

    def _button(self, grouping: Grouping, title: str) -> ui.element:
        button = ui.element("button").classes("action").props("type=button")
        button.props["aria-pressed"] = str(grouping == self._grouping).lower()
        button.on("click", lambda: self._group(grouping))
        with button:
            ui.label(title)
        return button

    async def _group(self, grouping: Grouping) -> None:
        self._grouping = grouping
        for one, button in self._buttons.items():
            button.props["aria-pressed"] = str(one == grouping).lower()
            button.update()
        await self._ask()

    async def _ask(self) -> None:
        by = "by=place" if self._grouping == "place" else ""
        query = "&".join(part for part in (self._asked.query(COUNTED), by) if part)
        ui.navigate.history.replace(f"?{query}")
        await self.count()

    def _draw(self, counted: Activity) -> None:
        is_everything = self._asked.shown == COUNTED
        self._summary.set_text(_summary(counted, is_everything=is_everything))
        self._charts.clear()
        if not counted.total:
            return
        names = [self._name(series.name) for series in counted.series]
        with self._charts:
            build_days(counted, names)
            with ui.element("div").classes("panels"):
                build_hours(counted, names)
                build_totals(counted, names)
            _build_numbers(counted, names)

    def _name(self, name: str) -> str:
        if self._grouping == "place":
            return self._choices.places.get(name, name)
        return wording.spaced(name)


def _summary(counted: Activity, *, is_everything: bool) -> str:
    if not counted.total and is_everything:
        return "No detections yet: they are counted here as soon as a device has told of one."
    if not counted.total:
        return "No detection matches this filter."
    detections = wording.amount(counted.total, "detection")
    span = f"{detections} from {counted.days[0]} on"
    if not counted.in_utc:
        return f"{span}, by the clock of each place."
    places = ", ".join(counted.in_utc[:3]) + (", .." if len(counted.in_utc) > 3 else "")
    return f"{span}. Hours are UTC where the page Places has no time zone: {places}."


def _build_numbers(counted: Activity, names: list[str]) -> None:
    """Build the counts as a table, for those who read rather than look."""
    with ui.element("details").classes("panel numbers"):
        with ui.element("summary"):
            ui.label("Numbers")
        titles = ["hour", *names, "all"]
        rows = []
        for hour in range(24):
            counts = [series.by_hour[hour] for series in counted.series]
            rows.append([f"{hour:02d}", *map(str, counts), str(sum(counts))])
        totals = [series.total for series in counted.series]
        rows.append(["all", *map(str, totals), str(sum(totals))])
        parts.table(titles, rows, "Detections by hour of day")
