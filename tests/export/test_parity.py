from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgeclip.clip import Backbone
from edgeclip.packs import load_pack
from edgeclip_export.differences import compare, difference_checks, golden_checks
from edgeclip_export.ort_graph import OrtGraph
from edgeclip_export.parity import (
    check_images,
    neutral_difference,
    neutral_slots,
    other_slots,
    torch_outputs,
)
from support.tiny_packs import EMBED_DIM, SIZE, WIDTH, Tensors


def _outputs() -> Tensors:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(3, 4)).astype(np.float32)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    logits = rng.normal(size=(3, 2)).astype(np.float32)
    return {
        "image_features": features,
        "base_embedding": features.copy(),
        "logits": logits,
        "probabilities": np.full((3, 2), 0.5, np.float32),
    }


def test_equal_outputs_have_no_difference() -> None:
    found = compare(_outputs(), _outputs())
    assert found.one_minus_cosine == pytest.approx(0, abs=1e-7)
    assert (found.logits, found.probabilities, found.is_finite) == (0, 0, True)


def test_the_worst_image_counts_and_is_named() -> None:
    other = _outputs()
    other["logits"][1, 0] += np.float32(0.25)
    other["probabilities"][2, 1] = np.float32(0.6)
    found = compare(_outputs(), other)
    assert found.logits == pytest.approx(0.25)
    assert found.worst == 1
    assert found.probabilities == pytest.approx(0.1)


@pytest.mark.parametrize("name", ["image_features", "base_embedding"])
def test_a_turned_feature_is_seen_in_either_output(name: str) -> None:
    other = _outputs()
    other[name][2] *= -1
    assert compare(_outputs(), other).one_minus_cosine == pytest.approx(2)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("name", ["image_features", "logits", "probabilities"])
def test_an_output_that_is_not_finite_fails(name: str, value: float) -> None:
    other = _outputs()
    other[name][0, 0] = value
    checks = difference_checks("x", compare(_outputs(), other), 3)
    assert checks[0].passed is False
    assert sum(check.passed is False for check in checks) >= 2


def test_zero_features_do_not_pass_as_equal() -> None:
    other = _outputs()
    other["image_features"][:] = 0
    checks = difference_checks("x", compare(_outputs(), other), 3)
    assert [check.name for check in checks if not check.passed] == ["x: 1 - cosine"]


def test_four_synthetic_frames_follow_the_golden_ones() -> None:
    golden = np.full((2, SIZE, SIZE, 3), 7, np.uint8)
    images = check_images(golden)
    np.testing.assert_array_equal(images[:2], golden)
    black, white, noise, saturated = images[2:]
    assert (black.max(), white.min()) == (0, 255)
    assert np.unique(noise).size > 200
    assert set(np.unique(saturated)) == {0, 255}


def test_a_neutral_pack_is_the_frozen_clip_and_one_that_is_on_is_not(
    cpu_graph: Path, backbone: Backbone
) -> None:
    images = check_images(np.zeros((0, SIZE, SIZE, 3), np.uint8))
    active = other_slots(WIDTH, EMBED_DIM)
    graph = OrtGraph(cpu_graph)
    neutral = graph.run(images, neutral_slots(active))
    assert neutral_difference(backbone, images, neutral) < 2e-4  # its weights are stored in half
    assert neutral_difference(backbone, images, graph.run(images, active)) > 1e-3


def test_golden_outputs_are_compared_with_the_first_images_only(
    pack_folder: Path, backbone: Backbone
) -> None:
    pack = load_pack(pack_folder)
    slots = other_slots(WIDTH, EMBED_DIM) | pack.tensors
    images = check_images(pack.golden.images)
    outputs = torch_outputs(backbone, images, neutral_slots(slots) | pack.tensors)
    checks = golden_checks("golden", pack.golden, outputs)
    assert [check.line() for check in checks if not check.passed] == []
    assert checks[2].note.startswith("8 images")
