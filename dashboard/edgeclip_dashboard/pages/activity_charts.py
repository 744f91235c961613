"""Charts of activity, drawn in the browser by the ECharts that NiceGUI brings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from nicegui import ui

from edgeclip_dashboard.activity import Activity, Series
from edgeclip_dashboard.pages import parts

# Told apart on white and on near black, also by those who do not see red and green apart.
_COLOURS: Final = (
    "#3f9a70", "#e0912f", "#5b7fd6", "#c4528f", "#9aa52c", "#46a6b8", "#a5673f", "#8b8b98",
)  # fmt: skip
_QUIET: Final = "#7f8a83"
_GRID: Final = "rgba(127,138,131,.25)"


def build_days(counted: Activity, names: Sequence[str]) -> None:
    """Build the timeline: a bar a day, or a week."""
    weeks = counted.step_days // 7
    period = f"{weeks} weeks" if weeks > 1 else "week" if weeks else "day"
    labels = [f"{day:%Y-%m-%d}" for day in counted.days]
    bars = [series.by_day for series in counted.series]
    busiest = max(range(len(labels)), key=lambda n: sum(one[n] for one in bars))
    title = f"By {period}"
    said = f"{title}: most on {labels[busiest]}, {sum(one[busiest] for one in bars)} detections"
    _figure(title, said, _bars(labels, bars, names), "days")


def build_hours(counted: Activity, names: Sequence[str]) -> None:
    """Build what is active when: a bar an hour of the day."""
    bars = [series.by_hour for series in counted.series]
    busiest = max(range(24), key=lambda hour: sum(one[hour] for one in bars))
    said = f"By hour of day: most from {busiest:02d} to {(busiest + 1) % 24:02d} o'clock"
    labels = [f"{hour:02d}" for hour in range(24)]
    _figure("By hour of day", said, _bars(labels, bars, names), "hours")


def build_totals(counted: Activity, names: Sequence[str]) -> None:
    """Build how many there are of each in all."""
    said = ", ".join(
        f"{name} {series.total}" for name, series in zip(names, counted.series, strict=True)
    )
    _figure("In all", f"In all: {said}", _totals(counted.series, names), "totals")


def _figure(title: str, said: str, options: dict[str, Any], kind: str) -> None:
    figure = ui.element("figure").classes(f"panel chart {kind}")
    figure.props["role"] = "img"
    figure.props["aria-label"] = said
    with figure:
        with ui.element("figcaption"):
            parts.heading(title)
        ui.echart(options).classes("plot")


def _bars(
    labels: Sequence[str], bars: Sequence[Sequence[int]], names: Sequence[str]
) -> dict[str, Any]:
    stacked = [
        {"type": "bar", "stack": "all", "name": name, "data": list(counts), "barCategoryGap": "15%"}
        for name, counts in zip(names, bars, strict=True)
    ]
    return _base() | {
        "legend": {"type": "scroll", "top": 0, "textStyle": {"color": _QUIET}},
        "xAxis": {"type": "category", "data": list(labels), **_axis()},
        "yAxis": {"type": "value", "minInterval": 1, **_axis()},
        "series": stacked,
    }


def _totals(series: Sequence[Series], names: Sequence[str]) -> dict[str, Any]:
    bars = [
        {"value": one.total, "itemStyle": {"color": _COLOURS[n % len(_COLOURS)]}}
        for n, one in enumerate(series)
    ]
    label = {"show": True, "position": "right", "color": _QUIET}
    return _base() | {
        "grid": {"left": 8, "right": 44, "top": 10, "bottom": 4, "containLabel": True},
        "yAxis": {
            "type": "category",
            "data": list(names),
            "inverse": True,
            "axisLabel": {"color": _QUIET, "width": 110, "overflow": "truncate"},
        },
        "xAxis": {"type": "value", "minInterval": 1, **_axis()},
        "series": [{"type": "bar", "data": bars, "label": label, "barMaxWidth": 26}],
    }


def _base() -> dict[str, Any]:
    return {
        "animation": False,
        "color": list(_COLOURS),
        "grid": {"left": 8, "right": 12, "top": 36, "bottom": 4, "containLabel": True},
        # rich text is drawn, not built: a name from a device can be no markup
        "tooltip": {"trigger": "axis", "confine": True, "renderMode": "richText"},
    }


def _axis() -> dict[str, Any]:
    return {
        "axisLabel": {"color": _QUIET, "hideOverlap": True},
        "axisLine": {"lineStyle": {"color": _GRID}},
        "splitLine": {"lineStyle": {"color": _GRID}},
    }
