"""The devices' panel: state, what runs on each, its last detection, what is missing."""

from __future__ import annotations

from datetime import datetime

from nicegui import ui

from edgeclip_dashboard import wording
from edgeclip_dashboard.queries import DeviceView
from edgeclip_dashboard.surroundings import Surroundings


class DevicePanel:
    """A list of devices; built inside the current NiceGUI container."""

    def __init__(self) -> None:
        self._shown: tuple[object, ...] = ()
        self._around = Surroundings()
        self._states: list[tuple[DeviceView, ui.label]] = []
        self._list = ui.element("div").classes("device-list")

    def show(self, views: tuple[DeviceView, ...], around: Surroundings, now: datetime) -> None:
        """Show the devices; nothing is rebuilt if none has changed."""
        self._around = around
        shown = (views, around.places, around.zones)
        if shown == self._shown:
            self.tick(now)
            return
        self._shown = shown
        self._states = []
        self._list.clear()
        with self._list:
            if not views:
                ui.label("No device has reported yet.").classes("quiet")
            for view in views:
                self._build(view)
        self.tick(now)

    def tick(self, now: datetime) -> None:
        """Let "ago" follow the clock."""
        for view, label in self._states:
            zone = self._around.zones.get(view.deployment_id or "")
            label.set_text(wording.device_state(view, now, zone))

    def _build(self, view: DeviceView) -> None:
        state = view.state or "unknown"
        card = ui.element("article").classes(f"device {state}")
        card.props["aria-label"] = f"Device {view.device_id}: {state}"
        with card:
            with ui.element("h3"):
                ui.element("span").classes("dot").props["aria-hidden"] = "true"
                ui.label(view.device_id)
            label = ui.label("").classes("state")
            self._states.append((view, label))
            for name, value in _facts(view, self._around):
                with ui.element("div").classes("fact"):
                    ui.label(name).classes("name")
                    ui.label(value)
            if view.gaps:
                ui.label(wording.device_gaps(view)).classes("gaps")


def _facts(view: DeviceView, around: Surroundings) -> list[tuple[str, str]]:
    deployment, seen = view.deployment_id or "", view.last_detection_at
    place = around.places.get(deployment, deployment)
    where = " · ".join(part for part in (place, view.camera_id) if part)
    runs = " ".join(part for part in (view.backend, view.precision) if part)
    facts = [
        ("place", where),
        ("pack", view.pack),
        ("runs", runs),
        ("source", view.source),
        ("edgeclip", view.edgeclip_version),
        ("last detection", wording.local(seen, around.zones.get(deployment)) if seen else ""),
    ]
    return [(name, value) for name, value in facts if value]
