from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image

from edgeclip.contract.encoder_view import Heat
from edgeclip_dashboard.messages import MediaMessage
from edgeclip_dashboard.overlays import Layers, add_overlay_route, draw_overlay, overlay_url
from support.dashboards import jpeg, media_ref, sample
from support.samples import detection

if TYPE_CHECKING:
    from dashboard.conftest import Desk

SVG = "{http://www.w3.org/2000/svg}"
GATE = detection().gate
BOX = (0.25, 0.5, 0.5, 0.25)
BOXED = GATE.model_copy(update={"boxes": [BOX]}) if GATE else None
HEAT = Heat.of(np.array([[0, 255], [128, 0]], np.uint8), "crop", (0.5, 0.0, 0.5, 1.0))


@pytest.fixture
def client(desk: Desk) -> Iterator[TestClient]:
    app = FastAPI()
    add_overlay_route(app, desk.engine)
    with TestClient(app) as client:
        yield client


def test_a_box_lies_where_it_was_seen() -> None:
    drawn = ElementTree.fromstring(draw_overlay((200, 100), moved=[BOX]))
    assert drawn.get("viewBox") == "0 0 200 100"
    rects = drawn.findall(f"{SVG}rect")
    assert [[rect.get(k) for k in ("x", "y", "width", "height")] for rect in rects] == [
        ["50.0", "50.0", "100.0", "25.0"]
    ] * 2


def test_the_box_of_the_class_is_told_from_that_of_what_moved() -> None:
    drawn = ElementTree.fromstring(draw_overlay((200, 100), moved=[BOX], of_class=(0, 0, 0.5, 1)))
    moved, of_class = (drawn.findall(f"{SVG}rect")[n] for n in (1, 3))
    assert (of_class.get("x"), of_class.get("width")) == ("0", "100.0")
    for key in ("stroke", "stroke-dasharray"):
        assert moved.get(key) != of_class.get(key)


def test_heat_is_more_opaque_where_it_is_hotter_and_lies_where_its_view_was() -> None:
    [image] = ElementTree.fromstring(draw_overlay((200, 100), heat=HEAT)).findall(f"{SVG}image")
    assert (image.get("x"), image.get("width"), image.get("height")) == ("100.0", "100.0", "100.0")
    data = base64.b64decode((image.get("href") or "").split(",")[1])
    opaque = np.asarray(Image.open(io.BytesIO(data)))[..., 3]
    assert opaque[0, 0] == opaque[1, 1] == 0
    assert 0 < opaque[1, 0] < opaque[0, 1] < 255


def test_the_route_draws_what_is_asked_for(desk: Desk, client: TestClient) -> None:
    desk.commit(told := sample(gate=BOXED, heat=HEAT, box=BOX))
    address = f"/overlays/{told.detection_id}/0/160x100.svg"
    both = client.get(address)
    assert both.headers["content-type"] == "image/svg+xml"
    assert ("<rect" in both.text, "<image" in both.text) == (True, True)
    without_heat = client.get(f"{address}?heat=0").text
    assert ("<rect" in without_heat, "<image" in without_heat) == (True, False)
    without_boxes = client.get(f"{address}?boxes=0").text
    assert (both.text.count("<rect"), without_heat.count("<rect")) == (4, 4)
    assert ("<rect" in without_boxes, "<image" in without_boxes) == (False, True)


@pytest.mark.parametrize("address", ["x/0/16x10.svg", f"{'0' * 36}/0/16x10.svg", "%00/0/16x10.svg"])
def test_what_is_no_revision_is_not_found(client: TestClient, address: str) -> None:
    assert client.get(f"/overlays/{address}").status_code == 404


def test_only_a_whole_frame_has_an_overlay_and_only_one_that_is_wanted(desk: Desk) -> None:
    refs = [media_ref(jpeg(1)), media_ref(jpeg(2)).model_copy(update={"kind": "crop"})]
    for seq, ref in enumerate(refs, 1):
        told = sample(seq=seq, media=[ref])
        desk.commit(told, MediaMessage("jetson-1", told.detection_id, 0, jpeg(seq)))
    crop, full = desk.picture().detections
    assert overlay_url(crop, Layers()) is None
    assert overlay_url(full, Layers(boxes=False, heat=False)) is None
    assert overlay_url(full, Layers()) == f"/overlays/{full.detection_id}/0/160x100.svg"
    assert (overlay_url(full, Layers(heat=False)) or "").endswith("/160x100.svg?heat=0")
