"""Plots of a device's health, drawn in the browser by the ECharts that NiceGUI brings."""

from __future__ import annotations

from typing import Any, Final

from nicegui import ui

from edgeclip_dashboard.field import words
from edgeclip_dashboard.field.history import Series
from edgeclip_dashboard.pages import parts

_LINE: Final = "#3f9a70"  # reads on white and on near black
_QUIET: Final = "#7f8a83"
_GRID: Final = "rgba(127,138,131,.25)"


def build_charts(history: tuple[Series, ...], span: str) -> None:
    """Build a plot of each quantity of which anything is known.

    Args:
        history: What is plotted.
        span: How far back that goes, in words.
    """
    if not history:
        ui.label(f"No health has come in {span}.").classes("quiet")
    for series in history:
        _build(series, span)


def _build(series: Series, span: str) -> None:
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
        ui.echart(_options(series)).classes("plot")


def _options(series: Series) -> dict[str, Any]:
    digits = series.quantity.digits
    points = [
        [round(at.timestamp() * 1000), round(value, digits + 1)] for at, value in series.points
    ]
    axis = {"axisLabel": {"color": _QUIET, "fontSize": 11, "hideOverlap": True}}
    return {
        "animation": False,
        "useUTC": True,
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
