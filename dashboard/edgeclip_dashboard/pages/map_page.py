"""`/map`: where deployments are, and how their devices do; on tiles, or on a plain grid."""

from __future__ import annotations

import html
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any, Final

from fastapi import Request
from nicegui import ui
from sqlalchemy.orm import Session

from edgeclip_dashboard import wording
from edgeclip_dashboard.config_field import MapSettings
from edgeclip_dashboard.field.overview import PlaceView, Standing, read_overview
from edgeclip_dashboard.field.projection import View, degrees, grid_of, view_of
from edgeclip_dashboard.identity import identity_of
from edgeclip_dashboard.pages import parts
from edgeclip_dashboard.pages.context import PageContext
from edgeclip_dashboard.pages.device_list import FIELD_CSS, FLEET_EVERY_S
from edgeclip_dashboard.pages.following import Following
from edgeclip_dashboard.pages.frame import page_frame

Places = tuple[PlaceView, ...]

_COLOURS: Final[dict[Standing, str]] = {
    "alarm": "#c62828",
    "offline": "#c62828",
    "sleeping": "#b07a10",
    "online": "#2e8b57",
    "empty": "#7f8a83",
}
_SAID: Final[dict[Standing, str]] = {
    "alarm": "alarm",
    "offline": "offline",
    "sleeping": "sleeping",
    "online": "online",
    "empty": "no device",
}
_ROOM_PX: Final = (60, 50)  # around the places, for their names
_LONGEST_NAME: Final = 28  # letters of a place that are written on the map
_GRID: Final = {"color": "#7f8a83", "weight": 1, "opacity": 0.35, "interactive": False}


def add_map_page(context: PageContext) -> None:
    """Register the page at `/map`."""

    def read() -> Places:
        with Session(context.engine) as session:
            return read_overview(session, context.ledger, datetime.now(timezone.utc))

    @ui.page("/map")
    async def places(request: Request) -> None:
        with page_frame(context, identity_of(request.scope), "Map", css=FIELD_CSS):
            view = MapView(context.settings.map)
            await Following(context, read, view.show, FLEET_EVERY_S).begin()


class MapView:
    """The map, and beside it the same as a list."""

    def __init__(self, settings: MapSettings) -> None:
        self._settings = settings
        self._listed: tuple[object, ...] | None = None
        self._drawn: tuple[object, ...] | None = None
        with ui.element("div").classes("map-board"):
            self._map = _new_map(settings)
            self._list = ui.element("div").classes("place-list")
        self._fit: tuple[list[tuple[float, float]], dict[str, Any]] = ([], {})
        self._map.on("init", self._fit_to_screen, [])

    def show(self, places: Places) -> None:
        """Show the deployments as they are now."""
        listed = tuple((replace(place, devices=()), _told(place)) for place in places)
        if listed != self._listed:
            self._listed = listed
            self._list.clear()
            with self._list:
                _build_list(places)
        drawn = tuple(
            (place.deployment_id, place.name, place.latitude, place.longitude, place.standing)
            for place in places
        )
        if drawn == self._drawn:
            return
        is_first, self._drawn = self._drawn is None, drawn
        self._draw(places, is_first=is_first)

    def _fit_to_screen(self) -> None:
        """Zoom out as far as the browser's own size asks for; a phone shows less than a desk."""
        points, fit = self._fit
        if points:
            self._map.run_map_method("fitBounds", points, fit)

    def _draw(self, places: Places, *, is_first: bool) -> None:
        located = [
            (place, (place.latitude, place.longitude))
            for place in places
            if place.latitude is not None and place.longitude is not None
        ]
        view = view_of([point for _, point in located])
        self._map.clear_layers()
        if self._settings.tiles:
            _add_tiles(self._map, self._settings)
        else:
            _add_grid(self._map, view)
        for place, point in located:
            _add_place(self._map, place, point)
        if is_first:
            self._map.set_center(view.center)
            self._map.set_zoom(view.zoom)
            fit = {"padding": _ROOM_PX, "maxZoom": view.zoom}
            self._fit = ([point for _, point in located], fit)


def _new_map(settings: MapSettings) -> ui.leaflet:
    options = {"attributionControl": bool(settings.tiles), "maxZoom": settings.deepest_zoom}
    element = ui.leaflet(center=(10.0, 0.0), zoom=2, options=options).classes("map")
    element.props["role"] = "application"
    element.props["aria-label"] = "Map of the places; the list beside it says the same"
    element.clear_layers()  # NiceGUI begins with tiles of a server that nobody has chosen
    return element


def _add_tiles(element: ui.leaflet, settings: MapSettings) -> None:
    attribution = html.escape(settings.attribution)  # Leaflet takes it for HTML
    element.tile_layer(
        url_template=settings.tiles or "",
        options={"attribution": attribution, "maxZoom": settings.deepest_zoom},
    )


def _add_grid(element: ui.leaflet, view: View) -> None:
    step, latitudes, longitudes = grid_of(view)
    north, east = view.center[0] + step / 2, view.center[1] + step / 2  # of the names: off places
    for latitude in latitudes:
        ends = [[latitude, longitudes[0]], [latitude, longitudes[-1]]]
        _add(element, "polyline", ends, _GRID)
        _add_name(element, (latitude, east), degrees(latitude, step))
    for longitude in longitudes:
        ends = [[latitudes[0], longitude], [latitudes[-1], longitude]]
        _add(element, "polyline", ends, _GRID)
        _add_name(element, (north, longitude), degrees(longitude, step))


def _add_name(element: ui.leaflet, point: tuple[float, float], text: str) -> None:
    """Write a name beside a point; Leaflet takes it for HTML, so it may hold nothing unchecked."""
    options = {"permanent": True, "direction": "center", "className": "grid-name"}
    _add(element, "tooltip", list(point), {**options, "content": html.escape(text)})


def _add_place(element: ui.leaflet, place: PlaceView, point: tuple[float, float]) -> None:
    colour = _COLOURS[place.standing]
    look = {"radius": 8, "color": "#ffffff", "weight": 2, "fillColor": colour, "fillOpacity": 1}
    if place.uncertainty_m:
        around = {"radius": place.uncertainty_m, "color": colour, "weight": 1, "fillOpacity": 0.08}
        _add(element, "circle", list(point), around)
    _add(element, "circleMarker", list(point), look)
    name = {"permanent": True, "direction": "top", "offset": [0, -8], "className": "place-name"}
    _add(element, "tooltip", list(point), {**name, "content": html.escape(_shortened(place.name))})


def _shortened(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 2]}.."


def _add(element: ui.leaflet, kind: str, *args: Any) -> None:
    element.generic_layer(name=kind, args=list(args))


def _build_list(places: Places) -> None:
    if not places:
        ui.label("No places yet: a device's first message makes one.").classes("quiet")
    for place in places:
        with ui.element("article").classes(f"panel place {place.standing}"):
            with ui.element("div").classes("device-head"):
                ui.element("span").classes("dot").props("aria-hidden=true")
                with ui.element("h2"):
                    parts.link(place.name, f"/deployments/{place.deployment_id}")
                ui.label(_SAID[place.standing]).classes("badge")
            for device_id, told in _told(place):
                with ui.element("div").classes("actions"):
                    parts.link(device_id, f"/devices/{device_id}")
                    ui.label(told).classes("quiet")
            ui.label(f"{wording.amount(place.recent, 'detection')} in 7 days").classes("quiet")
            if place.latitude is None:
                ui.label("not on the map: its coordinates are unknown").classes("wait")


def _told(place: PlaceView) -> list[tuple[str, str]]:
    """Return what is said of each device of a place."""
    told = []
    for report in place.devices:
        alarms = wording.amount(len(report.alarms), "alarm") if report.alarms else ""
        words = (report.state or "no status yet", alarms)
        told.append((report.device_id, ", ".join(word for word in words if word)))
    return told
