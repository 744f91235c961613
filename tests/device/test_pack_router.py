"""Several packs of one bundle before one camera, on the tiny graph."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgeclip.contract.bundle import MANIFEST_FILE
from edgeclip.errors import ConfigError, PackError
from edgeclip_device.backends.choosing import open_backend
from edgeclip_device.classifier import Classifier
from edgeclip_device.config import DeviceSettings
from edgeclip_device.pack_router import PackRouter, load_router
from edgeclip_device.router_settings import RoutedPackSettings, RouterSettings
from support.drawn_clips import crossing, ground, with_blob
from support.gates import add_router_row
from support.pipelines import opened_rig
from support.tiny_bundle import EMBED_DIM, TinyPack, write_tiny_bundle

Make = Callable[..., DeviceSettings]
RED = np.full((240, 320, 3), (250, 110, 110), np.uint8)
CROP = ((120 - 45) / 320, (140 - 38) / 240, 90 / 320, 76 / 240)
FOX = TinyPack(task="fox", classes=(("fox", "animal"), ("blank", "blank")), scale=15.0)
NIGHT = TinyPack(task="night", classes=(("leopard", "animal"), ("dark", "blank")), scale=12.0)
PEOPLE = TinyPack(task="people", classes=(("person", "human"), ("blank", "blank")), scale=10.0)


@pytest.fixture
def make(make_settings: Make, tmp_path: Path) -> Callable[..., DeviceSettings]:
    """Makes settings with a bundle of four packs; rows say which prototypes a pack has."""

    def made(
        packs: list[dict[str, str]], rows: dict[str, list[float]] | None = None, **router: Any
    ) -> DeviceSettings:
        bundle = write_tiny_bundle(tmp_path / "bundle", [TinyPack(), FOX, NIGHT, PEOPLE])
        for task, key in (rows or {}).items():
            add_router_row(bundle, task, key)
        inference = {"bundle": bundle, "backend": "onnxruntime", "threads": 1}
        return make_settings(inference=inference, router={"packs": packs, **router})

    return made


def _classifier(settings: DeviceSettings) -> tuple[Classifier, PackRouter]:
    router = load_router(settings.inference, settings.router)
    backend = open_backend(router.packs[router.resident], settings.inference)
    return Classifier(backend, router), router


def test_all_packs_of_a_frame_share_one_pass_and_say_what_each_says_alone(make: Make) -> None:
    tasks = ["leopard", "fox", "people"]
    settings = make([{"task": task} for task in tasks], ask="all")
    classifier, router = _classifier(settings)
    answers = classifier.classify(with_blob(ground(), 120), CROP)
    assert [answer.task for answer in answers] == tasks
    assert (classifier.counts.passes, classifier.counts.answers) == (1, 3)
    for answer, pack in zip(answers, router.packs, strict=True):
        backend = open_backend(pack, settings.inference)
        (alone,) = Classifier(backend, PackRouter.of_one(pack)).classify(
            with_blob(ground(), 120), CROP
        )
        np.testing.assert_allclose(answer.probabilities, alone.probabilities, atol=1e-5)


def test_a_pack_that_bends_the_embedding_has_a_pass_of_its_own(make: Make) -> None:
    settings = make([{"task": "leopard"}, {"task": "fox"}], ask="all")
    router = load_router(settings.inference, settings.router)
    bent = dict(router.packs[1].slots)
    bent["projection_delta"] = np.ones_like(bent["projection_delta"])
    router = replace(router, packs=(router.packs[0], replace(router.packs[1], slots=bent)))
    classifier = Classifier(open_backend(router.packs[0], settings.inference), router)
    assert len(classifier.classify(ground(), None)) == 2
    assert classifier.counts.passes == 2
    classifier.classify(ground(), None)
    assert classifier.counts.passes == 4


@pytest.mark.parametrize(
    ("facts", "task"),
    [
        ({"camera": "camera", "light": "infrared"}, "night"),
        ({"camera": "camera", "light": "day"}, "leopard"),
        ({"camera": "south", "light": "day"}, "fox"),
        ({"camera": "south", "light": "infrared"}, "night"),
    ],
    ids=["night", "day", "another camera", "two that hold, the first"],
)
def test_static_keys_choose_before_the_encoder_runs(
    make: Make, facts: dict[str, str], task: str
) -> None:
    packs = [
        {"task": "leopard"},
        {"task": "night", "light": "infrared"},
        {"task": "fox", "camera": "south"},
    ]
    classifier, _ = _classifier(make(packs))
    (answer,) = classifier.classify(ground(), None, facts)
    assert answer.task == task
    assert classifier.counts.passes == 1


def test_the_pack_with_more_keys_that_hold_goes_first(make: Make) -> None:
    packs = [
        {"task": "night", "light": "infrared"},
        {"task": "fox", "light": "infrared", "camera": "camera"},
    ]
    classifier, _ = _classifier(make(packs))
    (answer,) = classifier.classify(ground(), None, {"light": "infrared", "camera": "camera"})
    assert answer.task == "fox"


def _keys_of_set(settings: DeviceSettings, task: str, **static: str) -> None:
    """Let the bundle say what a pack's set said."""
    assert settings.inference.bundle is not None
    path = settings.inference.bundle / MANIFEST_FILE
    manifest = json.loads(path.read_text())
    [ref] = [ref for ref in manifest["packs"] if ref["task"] == task]
    ref["static"] = static
    path.write_text(json.dumps(manifest))


def test_an_entry_without_keys_has_those_of_its_set(make: Make) -> None:
    settings = make([{"task": "leopard"}, {"task": "night"}, {"task": "fox", "camera": "south"}])
    _keys_of_set(settings, "night", light="infrared")
    _keys_of_set(settings, "fox", light="day")
    router = load_router(settings.inference, settings.router)
    assert [dict(row.static) for row in router.rows] == [
        {}, {"light": "infrared"}, {"camera": "south"},
    ]  # fmt: skip


def test_keys_of_a_set_that_no_frame_has_are_refused_unless_its_entry_has_some(make: Make) -> None:
    settings = make([{"task": "leopard"}, {"task": "night"}])
    _keys_of_set(settings, "night", location="ridge")
    with pytest.raises(
        ConfigError, match=r"night@1\.0\.0 was put into its set with location=ridge"
    ):
        load_router(settings.inference, settings.router)
    entry = RoutedPackSettings(task="night", deployment="ridge-2026")
    router = RouterSettings(packs=[settings.router.packs[0], entry])
    assert load_router(settings.inference, router).rows[1].static == {"deployment": "ridge-2026"}


def test_prototypes_choose_the_nearest_pack(make: Make) -> None:
    bright, dark = _embedding(RED), _embedding(ground())
    packs = [{"task": "fox"}, {"task": "leopard"}, {"task": "people"}]
    rows = {"leopard": bright.tolist(), "people": dark.tolist()}
    classifier, _ = _classifier(make(packs, rows))
    chosen = [classifier.classify(image, None)[0].task for image in (RED, ground())]
    assert chosen == ["leopard", "people"]
    assert classifier.counts.passes == 2


def test_far_from_all_prototypes_the_named_fallback_answers(make: Make) -> None:
    away = (-_embedding(RED)).tolist()
    packs = [{"task": "leopard"}, {"task": "fox"}]
    rows = {"leopard": away, "fox": away}
    classifier, _ = _classifier(make(packs, rows, fallback="fox"))
    assert classifier.classify(RED, None)[0].task == "fox"


def test_a_damaged_router_row_is_refused(make: Make) -> None:
    settings = make([{"task": "leopard"}, {"task": "fox"}], {"fox": [1.0, 0.0]})
    with pytest.raises(PackError, match=r"keys \(1, 2\) are of another encoder"):
        load_router(settings.inference, settings.router)


def test_two_packs_that_decide_on_one_class_are_not_asked_together(make: Make) -> None:
    settings = make([{"task": "leopard"}, {"task": "night"}], ask="all")
    with pytest.raises(ConfigError, match="two packs decide on leopard: ask one"):
        load_router(settings.inference, settings.router)


def test_thresholds_may_be_of_any_of_the_packs_and_of_no_other(make: Make) -> None:
    settings = make([{"task": "leopard"}, {"task": "fox"}])
    thresholds = {"fox": {"on": 0.65}, "wolf": {"on": 0.5}}
    tables = settings.inference.model_dump(exclude_none=True) | {"thresholds": thresholds}
    wrong = type(settings.inference).model_validate(tables)
    with pytest.raises(ConfigError, match="decides on leopard, fox, not on wolf"):
        load_router(wrong, settings.router)
    del thresholds["wolf"]
    right = type(settings.inference).model_validate(tables)
    router = load_router(right, settings.router)
    assert router.packs[1].thresholds["fox"].on == 0.65


def test_two_packs_raise_detections_of_their_own_from_the_same_frames(make: Make) -> None:
    settings = make([{"task": "leopard"}, {"task": "fox"}], ask="all")
    with opened_rig(settings) as rig:
        rig.feed(crossing(frames=220))
        new = [row for row in rig.rows() if row.phase == "new"]
        assert {(row.class_name, row.pack.task) for row in new} == {
            ("leopard", "leopard"), ("fox", "fox"),
        }  # fmt: skip
        assert rig.classifier.counts.passes == rig.pipeline.counts.classified


def test_camera_deployment_and_light_of_the_frame_reach_the_router(make: Make) -> None:
    known = {"camera": "camera", "deployment": "unplaced", "light": "day"}
    settings = make([{"task": "fox"}, {"task": "leopard", **known}])
    with opened_rig(settings) as rig:
        rig.feed(crossing()[:60])
        assert {row.pack.task for row in rig.rows()} == {"leopard"}


def _embedding(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return what the tiny graph makes of an image's mean colour."""
    red, green, blue = image.reshape(-1, 3).mean(axis=0)
    raw = np.array([5 * (red - green) / 255, 0.5, blue / 255, 0.1], np.float32)
    assert len(raw) == EMBED_DIM
    return np.asarray(raw / np.linalg.norm(raw), np.float32)
