"""Plots of a device's health, drawn in the browser by the ECharts that NiceGUI brings."""

from __future__ import annotations

from datetime import datetime, timezone, tzinfo
from typing import Any, Final

from nicegui import ui

from edgeclip_dashboard.field import words
from edgeclip_dashboard.field.history import Series
from edgeclip_dashboard.pages import parts

_LINE: Final = "#3f9a70"  # reads on white and on near black
_QUIET: Final = "#7f8a83"
_GRID: Final = "rgba(127,138,131,.25)"


def build_charts(history: tuple[Series, ...], span: str, zone: tzinfo | None) -> None:
    """Build a plot of each quantity of which anything is known.

    Args:
        history: What is plotted.
        span: How far back that goes, in words.
        zone: The clock of the page; None: UTC.
    """
    if not history:
        ui.label(f"No health has come in {span}.").classes("quiet")
    for series in history:
        _build(series, span, zone)


def _build(series: Series, span: str, zone: tzinfo | None) -> None:
    quantity = series.quantity
    values = [value for _, value in series.points]
    now, low, high = (
        words.number(value, quantity.unit, quantity.digits)
        for value in (values[-1], min(values), max(values))
    )
    figure = ui.element("figure").classes("chart")
    figure.props["role"] = "img"
    figure.props["aria-label"] = f"{quantity.title}: {now}; {low} to {high} in {span}"
    with figure:
        with ui.element("figcaption"):
            parts.heading(quantity.title, 3)
            ui.label(now).classes("now")
        ui.echart(plotted(series, zone)).classes("plot")


def plotted(series: Series, zone: tzinfo | None) -> dict[str, Any]:
    """Return what ECharts draws, its axis by a clock.

    Args:
        series: What is plotted.
        zone: Of that clock; None: UTC.
    """
    digits = series.quantity.digits
    points = [[_shown_ms(at, zone), round(value, digits + 1)] for at, value in series.points]
    axis = {"axisLabel": {"color": _QUIET, "fontSize": 11, "hideOverlap": True}}
    return {
        "animation": False,
        "useUTC": True,  # of `_shown_ms`: the browser knows no other zone than its own
        "grid": {"left": 8, "right": 12, "top": 10, "bottom": 4, "containLabel": True},
        "tooltip": {"trigger": "axis", "confine": True},
        "xAxis": {"type": "time", **axis, "axisLine": {"lineStyle": {"color": _GRID}}},
        "yAxis": {
            "type": "value",
            "scale": True,
            "splitNumber": 3,
            **axis,
            "splitLine": {"lineStyle": {"color": _GRID}},
        },
        "series": [
            {
                "type": "line",
                "name": f"{series.quantity.title}, {series.quantity.unit}",
                "data": points,
                "showSymbol": len(points) < 3,
                "lineStyle": {"width": 1.6, "color": _LINE},
                "itemStyle": {"color": _LINE},
            }
        ],
    }


def _shown_ms(at: datetime, zone: tzinfo | None) -> int:
    """Return the milliseconds at which UTC's clock shows what the zone's shows at a time."""
    shown = at.astimezone(zone or timezone.utc).replace(tzinfo=timezone.utc)
    return round(shown.timestamp() * 1000)
