from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from edgeclip.clip import Backbone
from edgeclip.contract.slots import filled_slots
from edgeclip_export.differences import compare
from edgeclip_export.fuse import FusedModel, TorchPrecision
from edgeclip_export.parity import (
    check_images,
    fused_outputs,
    neutral_slots,
    other_slots,
    torch_outputs,
)
from support.tiny_packs import EMBED_DIM, LAYERS, SIZE, WIDTH, Tensors
from support.towers import VIT, load_tower


@pytest.fixture(scope="module")
def images() -> np.typing.NDArray[np.uint8]:
    frames = np.random.default_rng(0).integers(0, 256, (4, SIZE, SIZE, 3), np.uint8)
    return check_images(frames)


@pytest.fixture(scope="module")
def slots() -> Tensors:
    return other_slots(WIDTH, EMBED_DIM) | {"logit_scale": np.array([100], np.float32)}


def test_fused_normalisation_equals_the_encoders_own_path(
    backbone: Backbone, images: np.typing.NDArray[np.uint8], slots: Tensors
) -> None:
    fused = fused_outputs(FusedModel(backbone, "fp32"), images, slots)
    found = compare(torch_outputs(backbone, images, slots), fused)
    assert found.is_finite
    assert found.one_minus_cosine < 1e-10
    assert found.logits < 1e-4


@pytest.mark.parametrize(
    "vision", [{"block_type": "custom"}, {"qk_norm": True, "scale_attn": True}]
)
def test_a_last_block_with_an_attention_of_its_own_is_left_as_it_is(
    vision: dict[str, object], tmp_path: Path
) -> None:
    backbone = load_tower(tmp_path / "tower", {**VIT, **vision})
    fused = FusedModel(backbone, "fp32")
    slots = other_slots(*fused.projection.shape) | {"logit_scale": np.array([100], np.float32)}
    frames = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), np.uint8)
    found = compare(torch_outputs(backbone, frames, slots), fused_outputs(fused, frames, slots))
    assert found.one_minus_cosine < 1e-10
    assert found.logits < 1e-4


def test_a_half_precision_tower_stays_close_also_on_black_white_and_saturated_frames(
    backbone: Backbone, images: np.typing.NDArray[np.uint8], slots: Tensors
) -> None:
    fused = fused_outputs(FusedModel(backbone, "fp16"), images, slots)
    found = compare(torch_outputs(backbone, images, slots), fused)
    assert found.is_finite
    assert 0 < found.one_minus_cosine < 1e-4


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_fusing_leaves_the_encoder_as_it_was(backbone: Backbone, precision: TorchPrecision) -> None:
    FusedModel(backbone, precision)
    types = {parameter.dtype for parameter in backbone.tower.parameters()}
    assert types == {torch.float32}


def test_only_the_tower_is_in_half_precision(backbone: Backbone) -> None:
    fused = FusedModel(backbone, "fp16")
    assert {value.dtype for value in fused.visual.parameters()} == {torch.float16}
    assert fused.projection.dtype == fused.pixel_scale.dtype == torch.float32


def test_the_layer_norms_of_the_tower_and_its_cells_are_counted(backbone: Backbone) -> None:
    assert FusedModel(backbone, "fp32").expected("fp32").layer_norms == 2 * LAYERS + 3


def test_a_neutral_pack_gives_the_frozen_features_bit_for_bit(
    backbone: Backbone, images: np.typing.NDArray[np.uint8], slots: Tensors
) -> None:
    outputs = fused_outputs(FusedModel(backbone, "fp32"), images, neutral_slots(slots))
    np.testing.assert_array_equal(outputs["image_features"], outputs["base_embedding"])


def test_neutral_slots_keep_the_class_matrix_and_switch_the_rest_off(slots: Tensors) -> None:
    neutral = neutral_slots(slots)
    kept = {name: slots[name] for name in ("class_weights", "logit_scale")}
    expected = filled_slots(kept, width=WIDTH, embed_dim=EMBED_DIM)
    for name, value in expected.items():
        np.testing.assert_array_equal(neutral[name], value, err_msg=name)
