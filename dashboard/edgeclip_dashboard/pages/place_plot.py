"""Where a detection was, as a dot among the other places; drawn without a map's tiles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nicegui import ui

from edgeclip_dashboard.detection_history import Position
from edgeclip_dashboard.pages import parts

_HERE, _THERE, _GREY = "#d6453d", "#7f8a83", "rgba(127,138,131,.35)"


def build_place(position: Position | None, others: Sequence[tuple[float, float]]) -> None:
    """Build the dot and its coordinates, or how they come to be known.

    Args:
        position: Of the detection.
        others: Latitude and longitude of the other deployments.
    """
    parts.heading("Where")
    if position is None:
        ui.label(
            "The coordinates of this place are unknown: write them on the page Places."
        ).classes("quiet")
        return
    words = f"{position.latitude:.5f}, {position.longitude:.5f}"
    ui.label(f"{words}, {position.said_by}").classes("quiet")
    plot = ui.echart(_options(position, others)).classes("plot")
    plot.props["role"] = "img"
    plot.props["aria-label"] = f"At {words}, among {len(others)} other places"


def _options(position: Position, others: Sequence[tuple[float, float]]) -> dict[str, Any]:
    here = [position.longitude, position.latitude]
    there = [[longitude, latitude] for latitude, longitude in others]
    spread = [max((abs(point[n] - here[n]) for point in there), default=0.0) for n in (0, 1)]
    reach = max(*spread, 0.002) * 1.15  # the same scale on both axes, never less than 200 m
    return {
        "animation": False,
        "grid": {"left": 8, "right": 12, "top": 10, "bottom": 8, "containLabel": True},
        "xAxis": _axis(here[0], reach),
        "yAxis": _axis(here[1], reach),
        "series": [
            {"type": "scatter", "data": there, "symbolSize": 8, "itemStyle": {"color": _THERE}},
            {"type": "scatter", "data": [here], "symbolSize": 14, "itemStyle": {"color": _HERE}},
        ],
    }


def _axis(middle: float, reach: float) -> dict[str, Any]:
    return {
        "type": "value",
        "min": round(middle - reach, 5),
        "max": round(middle + reach, 5),
        "splitNumber": 3,
        "axisLabel": {
            "color": _THERE,
            "hideOverlap": True,
            "showMinLabel": False,
            "showMaxLabel": False,
        },
        "splitLine": {"lineStyle": {"color": _GREY}},
    }
