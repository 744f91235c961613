"""What a detection tells of what the encoder saw: the tiny graph's cells tell red from green."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edgeclip.contract.detection import MOST_BYTES, Gate
from edgeclip.contract.encoder_view import Heat, features_from
from edgeclip.contract.pack import PackClass, PackManifest
from edgeclip.contract.preprocess import crop_square, prepare, square_box
from edgeclip.contract.preprocess_spec import Box
from edgeclip_device.config import DeviceSettings
from edgeclip_device.heads import Classification
from edgeclip_device.seen import Seen
from edgeclip_device.sights import Sight, told_features, told_where
from support.drawn_clips import crossing, ground, with_blob
from support.pipelines import opened_rig
from support.samples import HASH, pack_manifest, preprocess_spec
from support.tiny_bundle import CELLS, TinyPack, write_tiny_bundle

Make = Callable[..., DeviceSettings]
MARGIN = preprocess_spec().margin


def _seen(cells: NDArray[np.float32] | None, *, from_crop: bool = False) -> Seen:
    """A frame as a pack of leopard and blank (two columns) saw it."""
    sight = Sight(np.array([3, 4, 0, 0], np.float32), cells)
    found = Classification(
        ("leopard", "blank"), np.array([0.9, 0.1], np.float32), from_crop, 1.0,
        np.ones(4, np.float32), "leopard", ("animal", "blank"), sight=sight,
    )  # fmt: skip
    gate = Gate(
        algorithm="x", changed_pct=1, blob_pct=1, boxes=[], illumination="day", forced=False
    )
    return Seen(ground(), (0.1, 0.2, 0.3, 0.4), None, 1, 2, gate, 1.0, found)


def _scores(side: int, hot: tuple[int, int]) -> NDArray[np.float32]:
    """Columns leopard, blank, blank: one cell is like a leopard."""
    scores = np.full((side, side, 3), 0.2, np.float32)
    scores[hot] = (0.9, 0.1, 0.1)
    return scores.reshape(-1, 3)


def _where(seen: Seen, manifest: PackManifest) -> tuple[Heat, Box]:
    """What is told of a leopard, which must be told."""
    told = told_where(seen, "leopard", manifest, MARGIN)
    assert told is not None
    heat, box = told
    assert box is not None
    return heat, box


def test_an_alert_says_what_was_seen_and_where_in_the_frame(make_settings: Make) -> None:
    with opened_rig(make_settings()) as rig:
        rig.feed(crossing()[:60])
        news = rig.rows()[0]
    assert news.features is not None
    assert news.heat is not None
    assert (news.features.base_sha256, news.features.view) == (HASH, "crop")
    red = features_from(news.features.to_bytes())
    assert red[0] > 0.8  # as the tiny encoder says of red
    cells = news.heat.cells()
    assert cells.shape == (CELLS, CELLS)
    assert (int(cells.min()), int(cells.max())) == (0, 255)
    assert news.box is not None
    assert _holds(news.heat.box, news.box)
    x, y, width, height = news.heat.box
    row, col = divmod(int(cells.argmax()), CELLS)
    centre_px = (x + width * (col + 0.5) / CELLS) * 320, (y + height * (row + 0.5) / CELLS) * 240
    assert 102 <= centre_px[1] <= 178  # the blob's rows
    assert 30 <= centre_px[0] <= 205  # where it was until then


def _holds(outer: Box, inner: Box) -> bool:
    """Whether a box lies in another, but for its rounding."""
    starts = all(inner[n] >= outer[n] - 1e-4 for n in (0, 1))
    return starts and all(inner[n] + inner[n + 2] <= outer[n] + outer[n + 2] + 2e-4 for n in (0, 1))


def test_features_come_with_a_new_best_frame_and_heat_with_each_revision(
    make_settings: Make,
) -> None:
    with opened_rig(make_settings(visits={"silence_s": 10.0})) as rig:
        rig.feed(crossing(frames=60) + [with_blob(ground(), 160)] * 260)
        rows = rig.rows()
    media = [ref.sha256 for ref in rows[0].media]
    assert all(row.heat is not None for row in rows)
    for row in rows[1:]:
        has_new_picture = [ref.sha256 for ref in row.media] != media
        assert (row.features is not None) == has_new_picture
        media = [ref.sha256 for ref in row.media]
    assert any(row.features is None for row in rows)


def test_what_is_switched_off_is_not_sent(make_settings: Make) -> None:
    with opened_rig(make_settings(media={"features": False, "heat": False})) as rig:
        rig.feed(crossing()[:60])
        news = rig.rows()[0]
    assert (news.features, news.heat, news.box) == (None, None, None)


@pytest.mark.parametrize("privacy", [{"poaching_alerts": True}, {"human_policy": "blur"}])
def test_of_a_person_neither_is_sent(
    make_settings: Make, tmp_path: Path, privacy: dict[str, object]
) -> None:
    people = TinyPack(task="people", classes=(("person", "human"), ("blank", "blank")))
    bundle = write_tiny_bundle(tmp_path / "bundle", [people])
    with opened_rig(make_settings(inference={"bundle": bundle}, privacy=privacy)) as rig:
        rig.feed(crossing()[:60])
        news = rig.rows()[0]
    assert (news.class_name, news.features, news.heat) == ("person", None, None)
    assert news.box is None


def test_of_an_animal_beside_a_person_neither_is_sent(make_settings: Make, tmp_path: Path) -> None:
    both = TinyPack(classes=(("leopard", "animal"), ("person", "human")))
    bundle = write_tiny_bundle(tmp_path / "bundle", [both])
    settings = make_settings(inference={"bundle": bundle}, privacy={"human_from": 0.001})
    with opened_rig(settings) as rig:
        rig.feed(crossing()[:90])
        news = rig.rows()[0]
    assert (news.class_name, news.features, news.heat) == ("leopard", None, None)
    assert news.box is None


def test_a_pack_that_changes_the_encoder_sends_no_features_of_it(make_settings: Make) -> None:
    slots = {"class_weights": [4, 2], "logit_scale": [1], "ba_up": [1, 2, 8]}
    with opened_rig(make_settings(), slots=slots) as rig:
        rig.feed(crossing()[:60])
        news = rig.rows()[0]
    assert news.features is None
    assert news.heat is not None


def test_a_detection_that_would_be_too_large_goes_without_heat_and_then_without_features(
    make_settings: Make,
) -> None:
    bare = len(_news_named(make_settings, 1))
    for spare, has_features in ((30, True), (-100, False)):
        told = _news_named(make_settings, MOST_BYTES - bare - spare)
        assert len(told) <= MOST_BYTES
        assert b'"heat":null' in told
        assert (b'"features":null' not in told) == has_features
        assert b'"box":[' in told


def _news_named(make_settings: Make, length: int) -> bytes:
    """The first detection of a class with a scientific name of that many letters."""
    classes = [
        PackClass(
            name="leopard",
            observation_type="animal",
            scientific_name="x" * length,
            prompts=["a leopard"],
        ),
        PackClass(name="blank", observation_type="blank", prompts=["grass"]),
    ]
    state = make_settings().state / str(length)
    with opened_rig(make_settings(state=state), classes=classes) as rig:
        rig.feed(crossing()[:60])
        return rig.rows()[0].to_json()


def test_heat_is_the_class_against_an_empty_scene(manifest: PackManifest) -> None:
    heat, _ = _where(_seen(_scores(4, (1, 2))), manifest)
    assert np.argwhere(heat.cells() == 255).tolist() == [[1, 2]]
    assert (heat.view, heat.box) == ("full", (0, 0, 1, 1))


def test_heat_of_the_crop_lies_where_the_crop_was_cut(manifest: PackManifest) -> None:
    seen = _seen(_scores(4, (1, 2)), from_crop=True)
    heat, box = _where(seen, manifest)
    assert heat.view == "crop"
    x, y, width, height = heat.box
    part = crop_square(seen.image, (0.1, 0.2, 0.3, 0.4), MARGIN)
    assert (round(width * 320), round(height * 240)) == (part.shape[1], part.shape[0])
    corner = seen.image[round(y * 240), round(x * 320)]
    assert corner.tolist() == part[0, 0].tolist()
    middle = box[0] + box[2] / 2, box[1] + box[3] / 2
    assert middle == pytest.approx((x + width * 2.5 / 4, y + height * 1.5 / 4), abs=0.001)


def test_a_finer_grid_is_told_in_32_by_32_cells(manifest: PackManifest) -> None:
    heat, _ = _where(_seen(_scores(64, (20, 40))), manifest)
    assert (heat.rows, heat.cols) == (32, 32)
    assert np.argwhere(heat.cells() == 255).tolist() == [[10, 20]]


@pytest.mark.parametrize(
    "cells",
    [None, np.zeros((1, 3), np.float32), np.zeros((5, 3), np.float32), np.ones((4, 3), np.float32)],
    ids=["none", "one cell", "no square", "all alike"],
)
def test_a_graph_that_shows_nobody_where_to_look_gives_no_heat(
    cells: NDArray[np.float32] | None, manifest: PackManifest
) -> None:
    assert told_where(_seen(cells), "leopard", manifest, MARGIN) is None
    assert told_features(_seen(cells), manifest) is not None


def test_what_is_like_no_class_has_no_heat(manifest: PackManifest) -> None:
    assert told_where(_seen(_scores(4, (0, 0))), None, manifest, MARGIN) is None


@pytest.mark.parametrize("box", [(0.1, 0.2, 0.3, 0.4), (0.9, 0.9, 0.1, 0.1), (0, 0, 1, 1)])
def test_the_square_that_is_told_is_the_one_that_is_cut(
    box: tuple[float, float, float, float],
) -> None:
    image, spec = ground(3), preprocess_spec()
    x, y, width, height = square_box(image, box, spec.margin)
    rows, cols = image.shape[:2]
    part = image[round(y * rows) : round((y + height) * rows)]
    part = part[:, round(x * cols) : round((x + width) * cols)]
    assert np.array_equal(prepare(part, spec), prepare(image, spec, box))


@pytest.fixture
def manifest() -> PackManifest:
    """A pack of leopard (one column) and blank (two)."""
    return pack_manifest()
