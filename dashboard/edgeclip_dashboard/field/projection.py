"""Which part of the earth a map shows, and the grid on it. Pure functions of degrees."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

LatLon = tuple[float, float]

_TILE_PX: Final = 256
_WIDTH_PX: Final = 700  # what is surely seen, of a larger window
_HEIGHT_PX: Final = 400
_CLOSEST: Final = 15  # about 5 m a pixel: a single camera is shown with its surroundings
_STEPS: Final = tuple(base * 10.0**power for power in range(-4, 2) for base in (1, 2, 5))
_LINES: Final = 12  # of the grid, at most, each way


@dataclass(frozen=True)
class View:
    """The middle of a map, and Leaflet's zoom: the world is 256 px * 2^zoom wide."""

    center: LatLon
    zoom: int


def view_of(points: Sequence[LatLon]) -> View:
    """Return what shows all points; of none, the whole world."""
    if not points:
        return View((10.0, 0.0), 2)
    south, north = min(p[0] for p in points), max(p[0] for p in points)
    west, east = min(p[1] for p in points), max(p[1] for p in points)
    tall = _mercator(north) - _mercator(south)
    wide = (east - west) / 360
    zooms = [
        math.log2(px / _TILE_PX / part)
        for px, part in ((_WIDTH_PX, wide), (_HEIGHT_PX, tall))
        if part > 0
    ]
    zoom = min([_CLOSEST, *map(math.floor, zooms)])
    return View(((south + north) / 2, (west + east) / 2), max(1, zoom))


def grid_of(view: View) -> tuple[float, list[float], list[float]]:
    """Return the grid around the middle of a map: its step, latitudes and longitudes, degrees."""
    span = 360 * _WIDTH_PX / _TILE_PX / 2**view.zoom
    step = next((step for step in _STEPS if span / step <= _LINES / 2), _STEPS[-1])
    return step, _around(view.center[0], step, 85.0), _around(view.center[1], step, 180.0)


def degrees(value: float, step: float) -> str:
    """Return a line's name, as exact as the grid is wide."""
    return f"{value:.{max(0, -math.floor(math.log10(step)))}f}°"


def _around(middle: float, step: float, most: float) -> list[float]:
    first = round(middle / step) - _LINES
    lines = [(first + place) * step for place in range(2 * _LINES + 1)]
    return [line for line in lines if -most <= line <= most]


def _mercator(latitude: float) -> float:
    """Return how far north a latitude is on a map whose height is 1."""
    clipped = math.radians(max(-85.0, min(85.0, latitude)))
    return math.asinh(math.tan(clipped)) / (2 * math.pi)
