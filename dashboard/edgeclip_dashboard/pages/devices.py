"""The devices' panel: state, what runs on each, its last detection, what is missing."""

from __future__ import annotations

from datetime import datetime, timezone, tzinfo
from typing import Final

from nicegui import ui

from edgeclip_dashboard import wording
from edgeclip_dashboard.pages import parts
from edgeclip_dashboard.queries import DeviceView
from edgeclip_dashboard.surroundings import Surroundings

MOST_DEVICES: Final = 24  # on the live page; /devices has them all


class DevicePanel:
    """A list of devices; built inside the current NiceGUI container.

    Of a large fleet it shows those that need a look, then those that saw something last: each
    detection changes a device, and a page that is built anew each time comes too late.
    """

    def __init__(self) -> None:
        self._around = Surroundings()
        self._cards: dict[str, _DeviceCard] = {}
        self._order: list[str] = []
        self._nothing = ui.label("No device has reported yet.").classes("quiet")
        self._list = ui.element("div").classes("device-list")
        self._more = ui.element("a").classes("action").props("href=/devices")
        with self._more:
            self._all = ui.label("")

    def show(self, views: tuple[DeviceView, ...], around: Surroundings, now: datetime) -> None:
        """Show the devices; only what has changed is built anew."""
        self._around = around
        shown = most_wanted(views)
        self._nothing.set_visibility(not views)
        self._more.set_visibility(len(shown) < len(views))
        self._all.set_text(f"All {len(views)} devices")
        names = {view.device_id for view in shown}
        for name in [known for known in self._cards if known not in names]:
            self._cards.pop(name).element.delete()
        for view in shown:
            self._show_one(view)
        self._put_in_order([view.device_id for view in shown])
        self.tick(now)

    def tick(self, now: datetime) -> None:
        """Let "ago" follow the clock."""
        for card in self._cards.values():
            card.tick(now)

    def _put_in_order(self, order: list[str]) -> None:
        if order == self._order:
            return
        self._order = order
        for position, name in enumerate(order):
            self._cards[name].element.move(self._list, target_index=position)

    def _show_one(self, view: DeviceView) -> None:
        card = self._cards.get(view.device_id)
        if card is None:
            with self._list:
                card = self._cards[view.device_id] = _DeviceCard()
        card.show(view, self._around)


class _DeviceCard:
    """One device; built anew only where what it shows has changed."""

    def __init__(self) -> None:
        self._shown: tuple[object, ...] = ()
        self._zone: tzinfo | None = None
        self.element = ui.element("article")

    def show(self, view: DeviceView, around: Surroundings) -> None:
        """Show the device as it is now."""
        facts = _facts(view, around)
        self._zone = around.zone_at(view.deployment_id)
        if self._shown == (shown := (view, facts)):
            return
        self._shown = shown
        self._view = view
        state = view.state or "unknown"
        self.element.classes(replace=f"device {state}")
        self.element.props["aria-label"] = f"Device {view.device_id}: {state}"
        self.element.clear()
        with self.element:
            self._fill(view, facts)

    def tick(self, now: datetime) -> None:
        """Let "ago" follow the clock."""
        self._state.set_text(wording.device_state(self._view, now, self._zone))

    def _fill(self, view: DeviceView, facts: list[tuple[str, str]]) -> None:
        with ui.element("h3"):
            ui.element("span").classes("dot").props["aria-hidden"] = "true"
            ui.label(view.device_id)
        self._state = ui.label("").classes("state")
        parts.facts(facts)
        if view.gaps:
            ui.label(wording.device_gaps(view)).classes("gaps")


def most_wanted(views: tuple[DeviceView, ...]) -> tuple[DeviceView, ...]:
    """Return the devices that the panel has room for: in trouble first, then by their names."""
    if len(views) <= MOST_DEVICES:
        return views
    never = datetime.min.replace(tzinfo=timezone.utc)
    newest = sorted(views, key=lambda view: view.last_detection_at or never, reverse=True)
    chosen = sorted(newest, key=_is_well)[:MOST_DEVICES]
    return tuple(sorted(chosen, key=lambda view: (_is_well(view), view.device_id)))


def _is_well(view: DeviceView) -> bool:
    return view.state in ("online", "sleeping") and not view.gaps


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
        ("last detection", wording.local(seen, around.zone_at(deployment)) if seen else ""),
    ]
    return [(name, value) for name, value in facts if value]
