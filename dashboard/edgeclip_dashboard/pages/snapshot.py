"""A snapshot with what lies over it, wherever one is shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from nicegui import ui

from edgeclip_dashboard import wording
from edgeclip_dashboard.overlays import Layers, overlay_url
from edgeclip_dashboard.queries import DetectionView


def build_snapshot(view: DetectionView, layers: Layers, places: dict[str, str]) -> None:
    """Build a detection's best snapshot, its boxes and heat inside the current container."""
    if not view.media:
        ui.icon("image_not_supported", size="2.5rem").props("aria-hidden=true")
        failed = view.failure is not None
        ui.label("no snapshot: the device reported a failure" if failed else "no snapshot yet")
        return
    image = _image(view.media[0].url)
    image.props["alt"] = f"Snapshot: {wording.title(view)} at {wording.place(view, places)}"
    overlay = overlay_url(view, layers)
    if overlay is not None:
        _image(overlay).classes("overlay").props["alt"] = "What moved, and where the class is"


def _image(url: str) -> ui.element:
    image = ui.element("img")
    image.props.update({"src": url, "loading": "lazy", "decoding": "async"})
    return image


class LayerSwitches:
    """Switches for what lies over snapshots; built inside the current container.

    Args:
        layers: What is shown at first.
        on_change: Told each change.
    """

    def __init__(self, layers: Layers, on_change: Callable[[Layers], None]) -> None:
        self._layers = layers
        self._on_change = on_change
        with ui.element("div").classes("layers"):
            self._switches = [
                ui.checkbox(
                    "Boxes", value=layers.boxes, on_change=lambda e: self._set(boxes=e.value)
                ),
                ui.checkbox("Heat", value=layers.heat, on_change=lambda e: self._set(heat=e.value)),
            ]

    def toggle(self) -> None:
        """Switch both off if one is on, else on."""
        is_any = self._layers.boxes or self._layers.heat
        for switch in self._switches:
            switch.set_value(not is_any)

    def _set(self, **changes: bool) -> None:
        self._layers = replace(self._layers, **changes)
        self._on_change(self._layers)
