"""What lies over a snapshot: boxes of what moved and of the class that is told, and its heat."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from fastapi import FastAPI, HTTPException, Path, Response
from PIL import Image
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from edgeclip.contract.detection import Detection, RelativeBox, is_detection_id
from edgeclip.contract.encoder_view import Heat
from edgeclip_dashboard.message_checks import LARGEST_INTEGER
from edgeclip_dashboard.models import Revision
from edgeclip_dashboard.queries import DetectionView

_WHOLE_FRAME = ("full", "thumb")
_FOR_EVER = "private, max-age=31536000, immutable"  # a revision never changes
_COLD, _HOT = np.array((255, 221, 87.0)), np.array((226, 40, 20.0))  # RGB
_MOVED, _OF_CLASS = "#ffd23f", "#4dd8ff"
_MOST_OPAQUE = 165.0  # of 255: the animal stays visible below

Side = Annotated[int, Path(ge=1, le=20_000)]
Rev = Annotated[int, Path(ge=0, le=LARGEST_INTEGER)]


@dataclass(frozen=True)
class Layers:
    """Which overlays a person wants to see."""

    boxes: bool = True
    heat: bool = True


ALL_LAYERS = Layers()


def overlay_url(view: DetectionView, layers: Layers) -> str | None:
    """Return the address of what lies over a detection's first snapshot; None if nothing does.

    A crop has none: boxes and heat are told of the whole frame.
    """
    if not view.media or view.media[0].kind not in _WHOLE_FRAME or layers == Layers(False, False):
        return None
    media = view.media[0]
    left_out = [f"{name}=0" for name in ("boxes", "heat") if not getattr(layers, name)]
    address = f"/overlays/{view.detection_id}/{view.rev}/{media.width}x{media.height}.svg"
    return "?".join([address, *left_out])


def add_overlay_route(app: FastAPI, engine: Engine) -> None:
    """Add `/overlays/{detection_id}/{rev}/{width}x{height}.svg`: empty where nothing is told."""

    @app.get("/overlays/{detection_id}/{rev}/{width}x{height}.svg")
    def overlay(
        detection_id: str,
        rev: Rev,
        width: Side,
        height: Side,
        boxes: bool = True,
        heat: bool = True,
    ) -> Response:
        revision = None
        if is_detection_id(detection_id):
            with Session(engine) as session:
                revision = session.get(Revision, (detection_id, rev))
        if revision is None:
            raise HTTPException(404, "no such revision")
        detection = Detection.model_validate_json(revision.payload)
        moved = detection.gate.boxes if boxes and detection.gate else ()
        drawn = draw_overlay(
            (width, height),
            moved=moved,
            of_class=detection.box if boxes else None,
            heat=detection.heat if heat else None,
        )
        return Response(drawn, media_type="image/svg+xml", headers={"Cache-Control": _FOR_EVER})


def draw_overlay(
    size: tuple[int, int],
    *,
    moved: Sequence[RelativeBox] = (),
    of_class: RelativeBox | None = None,
    heat: Heat | None = None,
) -> str:
    """Return an SVG image that fits over a frame.

    Args:
        size: Width and height of the frame, in pixels.
        moved: What moved: drawn through.
        of_class: Where the class is by its heat: dashed, in another colour.
        heat: What is laid below them, the hotter the less transparent.
    """
    width, height = size
    parts = [_heat_image(heat, size)] if heat else []
    parts += [_outline(box, size, _MOVED) for box in moved]
    parts += [_outline(of_class, size, _OF_CLASS, dashes="8 5")] if of_class else []
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"'
        f' viewBox="0 0 {width} {height}">{"".join(parts)}</svg>'
    )


def _outline(box: RelativeBox, size: tuple[int, int], colour: str, *, dashes: str = "none") -> str:
    """Return a box, seen before light and dark."""
    return "".join(
        f'<rect {_placed(box, size)} fill="none" stroke="{own}" stroke-width="{stroke}"'
        f' stroke-dasharray="{dashes}" vector-effect="non-scaling-stroke"/>'
        for own, stroke in (("#000000", 4), (colour, 2))
    )


def _placed(box: tuple[float, float, float, float], size: tuple[int, int]) -> str:
    x, y, w, h = (round(side * size[n % 2], 2) for n, side in enumerate(box))
    return f'x="{x}" y="{y}" width="{w}" height="{h}"'


def _heat_image(heat: Heat, size: tuple[int, int]) -> str:
    """Return the cells as a picture that the browser smooths as it enlarges it."""
    share = heat.cells()[..., None].astype(np.float64) / 255
    colours = _COLD + (_HOT - _COLD) * share
    pixels = np.concatenate([colours, share**2 * _MOST_OPAQUE], axis=-1).round().astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels, "RGBA").save(file, "PNG")
    data = base64.b64encode(file.getvalue()).decode()
    place = _placed(heat.box, size)
    return f'<image {place} preserveAspectRatio="none" href="data:image/png;base64,{data}"/>'
