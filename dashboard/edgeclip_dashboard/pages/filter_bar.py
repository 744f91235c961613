"""The filter above lists of detections: it changes the page at once, and the address with it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from typing import Any, Final, TypeAlias

from nicegui import ui
from nicegui.events import ValueChangeEventArguments

from edgeclip_dashboard.filter_query import EVERYTHING
from edgeclip_dashboard.filters import DetectionFilter
from edgeclip_dashboard.pages.choices import Choices

_SEVERITIES: Final = {"any": "all", "alert": "alerts", "routine": "routine"}
_LIGHTS: Final = {"any": "all", "day": "day", "night": "night"}
_REVIEWED: Final = {
    "any": "all", "no": "not reviewed", "yes": "reviewed",
    "right": "right", "wrong": "wrong", "other": "other species",
}  # fmt: skip
_CONFIDENCES: Final = {0.0: "any"} | {percent / 100: f"{percent} %" for percent in
                                      (30, 50, 60, 70, 80, 90, 95, 99)}  # fmt: skip
_DAY = timedelta(days=1)
_MOMENT = timedelta(seconds=1)

Changed: TypeAlias = Awaitable[None] | None
"""What a page answers to a new filter: NiceGUI waits for it where it is to be waited for."""


class FilterBar:
    """The controls of a filter; built inside the current NiceGUI container.

    Args:
        shown: What is chosen at first.
        choices: The species and places to choose from.
        on_change: Told each new filter.
        base: What the page shows by itself.
        everything: Address of the page without a filter.
        zone: The clock by which days begin; None is UTC.
    """

    def __init__(
        self,
        shown: DetectionFilter,
        choices: Choices,
        on_change: Callable[[DetectionFilter], Changed],
        *,
        base: DetectionFilter = EVERYTHING,
        everything: str = "?",
        zone: tzinfo | None = None,
    ) -> None:
        self._everything = everything
        self._zone = zone or timezone.utc
        self._shown = shown
        self._on_change = on_change
        bar = ui.element("details").classes("filter")
        if shown != base:
            bar.props("open")
        with bar:
            with ui.element("summary"):
                ui.icon("filter_list", size="1.2rem").props("aria-hidden=true")
                self._summary = ui.label("")
            with ui.element("div").classes("form"):
                self._build(choices)
        self._tell()

    def _build(self, choices: Choices) -> None:
        shown = self._shown
        self._many("Species", choices.species, "class_names")
        self._many("Places", choices.places, "deployment_ids")
        first, last = days_of(shown, self._zone)
        self._date(f"From, {self._zone}", first, self._set_since)
        self._date("To, that day too", last, self._set_until)
        least = _CONFIDENCES | {shown.min_probability or 0.0: _percent(shown.min_probability)}
        self._one("Probability at least", least, "min_probability")
        self._one("Day and night", _LIGHTS, "light")
        self._one("Kind", _SEVERITIES, "severity")
        self._one("Reviewed", _REVIEWED, "reviewed")
        with ui.element("div").classes("actions"):
            clear = ui.element("a").classes("action")
            clear.props["href"] = self._everything
            with clear:
                ui.label("Show everything")

    def _many(self, label: str, options: dict[str, str], field: str) -> None:
        chosen = list(getattr(self._shown, field))
        ui.select(
            {**{one: one for one in chosen}, **options},
            multiple=True, value=chosen, label=label, clearable=True,
            on_change=lambda event: self._set(field, tuple(event.value or ())),
        ).props("dense outlined use-chips")  # fmt: skip

    def _one(self, label: str, options: dict[Any, str], field: str) -> None:
        ui.select(
            options, value=getattr(self._shown, field) or next(iter(options)), label=label,
            on_change=lambda event: self._set(field, event.value or None),
        ).props("dense outlined")  # fmt: skip

    def _date(
        self, label: str, value: date | None, on_change: Callable[[date | None], Changed]
    ) -> None:
        def changed(event: ValueChangeEventArguments[str | None]) -> Changed:
            return on_change(_day(event.value))

        control = ui.input(label, value=value.isoformat() if value else "", on_change=changed)
        control.props("dense outlined type=date stack-label debounce=400")

    def _set_since(self, first: date | None) -> Changed:
        return self._set("since", self._midnight(first) if first else None)

    def _set_until(self, last: date | None) -> Changed:
        return self._set("until", self._midnight(last + _DAY) if last else None)

    def _midnight(self, day: date) -> datetime:
        return datetime.combine(day, time(), self._zone)

    def _set(self, field: str, value: object) -> Changed:
        self._shown = DetectionFilter.model_validate(self._shown.model_dump() | {field: value})
        self._tell()
        return self._on_change(self._shown)

    def _tell(self) -> None:
        said = describe(self._shown, self._zone)
        self._summary.set_text(f"Filter: {said}" if said else "Filter")


def days_of(shown: DetectionFilter, zone: tzinfo) -> tuple[date | None, date | None]:
    """Return the first and the last day that a filter lets through, by the clock of a zone."""
    first = shown.since.astimezone(zone).date() if shown.since else None
    last = (shown.until - _MOMENT).astimezone(zone).date() if shown.until else None
    return first, last


def describe(shown: DetectionFilter, zone: tzinfo = timezone.utc) -> str:
    """Return a filter in a few words, or an empty string where it leaves everything in."""
    parts = [", ".join(name.replace("_", " ") for name in shown.class_names)]
    parts.append(", ".join((*shown.deployment_ids, *shown.device_ids)))
    first, last = days_of(shown, zone)
    if first:
        parts.append(f"from {first}")
    if last:
        parts.append(f"to {last}")
    if shown.min_probability:
        parts.append(f"at least {_percent(shown.min_probability)}")
    if shown.max_probability is not None:
        parts.append(f"at most {_percent(shown.max_probability)}")
    for value, words in (
        (shown.light, _LIGHTS), (shown.severity, _SEVERITIES), (shown.reviewed, _REVIEWED),
    ):  # fmt: skip
        if value != "any":
            parts.append(words[value])
    return " · ".join(part for part in parts if part)


def _percent(value: float | None) -> str:
    return f"{value * 100:g} %" if value else "any"


def _day(text: str | None) -> date | None:
    """Return the day that is typed; None while it is no whole date, or one that no filter takes."""
    try:
        day = date.fromisoformat(text or "")
    except ValueError:
        return None
    return day if date.min + _DAY < day < date.max - _DAY else None
