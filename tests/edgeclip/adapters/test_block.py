from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from edgeclip.adapters.block import BlockAdapters, BlockSettings
from edgeclip.adapters.deep_graph import DeepGraph
from edgeclip.adapters.model import AdapterModel
from edgeclip.contract.slots import DEEP_SLOTS
from support.towers import VIT, disturb, inputs_of_frames, load_tower, random_frames, random_start

WIDTH = 12


@pytest.mark.parametrize(("hidden", "count"), [(16, 26_896), (32, 51_488), (64, 100_672)])
def test_a_layer_of_a_vit_b_32_has_as_many_parameters_as_stated(hidden: int, count: int) -> None:
    adapters = BlockAdapters(768, 12, BlockSettings(last=1, hidden=hidden))
    assert sum(parameter.numel() for parameter in adapters.parameters()) == count


def test_the_slots_equal_the_live_formula_in_numpy() -> None:
    torch.manual_seed(0)
    adapters = BlockAdapters(WIDTH, 5, BlockSettings(last=2, hidden=3, scale=0.1)).eval()
    disturb(adapters)
    h = np.random.default_rng(0).normal(size=(4, WIDTH))
    layer = {name: p.detach().double().numpy() for name, p in adapters.layers[1].named_parameters()}
    normed = (h - h.mean(1, keepdims=True)) / np.sqrt(h.var(1, keepdims=True) + 1e-5)
    live = normed * layer["gain"] + layer["shift"]
    live = np.maximum(live @ layer["down"] + layer["down_bias"], 0)
    live = 0.1 * (live @ layer["up"] + layer["up_bias"])
    slots = {name: s.detach().double().numpy()[-1] for name, s in adapters.slots().items()}
    folded = np.maximum(normed @ slots["ba_down"] + slots["ba_down_bias"], 0)
    folded = folded @ slots["ba_up"] + slots["ba_up_bias"]
    np.testing.assert_allclose(folded, live, atol=1e-6)


def test_blocks_without_an_adapter_are_zero_rows() -> None:
    adapters = BlockAdapters(WIDTH, 12, BlockSettings(last=3, hidden=2)).eval()
    disturb(adapters)
    slots = adapters.slots()
    assert slots.keys() == {name for name in DEEP_SLOTS if name.startswith("ba_")}
    for slot in slots.values():
        assert len(slot) == 8
        assert not slot[:5].any()
        assert slot[5:].any()


def test_a_short_tower_has_an_adapter_behind_each_block() -> None:
    adapters = BlockAdapters(WIDTH, 3, BlockSettings(last=8))
    assert (adapters.last, len(adapters.slots()["ba_up"])) == (3, 3)


def test_dropout_leaves_units_out_in_training_only() -> None:
    torch.manual_seed(0)
    adapters = BlockAdapters(WIDTH, 2, BlockSettings(last=1, hidden=64, dropout=0.5))
    disturb(adapters)
    in_training = adapters.train().slots()["ba_up"][-1]
    rows = in_training.abs().sum(1)
    assert 10 < int((rows == 0).sum()) < 54
    whole = adapters.eval().slots()["ba_up"][-1]
    assert (whole.abs().sum(1) > 0).all()
    torch.testing.assert_close(in_training[rows > 0], 2 * whole[rows > 0])
    assert torch.equal(adapters.slots()["ba_up"][-1], whole)


def test_a_learned_scale_starts_at_one_and_learns(tmp_path: Path) -> None:
    backbone = load_tower(tmp_path / "tower", VIT)
    lower, upper = backbone.split(1)
    start = random_start(backbone.base.embed_dim)
    adapters = BlockAdapters(32, 3, BlockSettings(last=2, scale=None, dropout=0))
    scale = adapters.state_dict()["layers.0.scale"]
    assert float(scale) == 1
    disturb(adapters)
    model = AdapterModel(start, [adapters], DeepGraph(upper))
    inputs = inputs_of_frames(backbone, lower, random_frames(3))
    model(inputs).logits.square().sum().backward()
    gradients = [parameter.grad for parameter in adapters.parameters()]
    assert all(gradient is not None and gradient.abs().sum() > 0 for gradient in gradients)


def test_invariant_16_starts_that_could_never_learn_raise_at_construction() -> None:
    with pytest.raises(ValueError, match="ReLU behind a zero up-projection has no gradient"):
        BlockAdapters(WIDTH, 4, BlockSettings(trailing_relu=True))
    with pytest.raises(ValueError, match="zero gate times a zero up-projection has no gradient"):
        BlockAdapters(WIDTH, 4, BlockSettings(scale=0.0))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (BlockSettings(activation="gelu_tanh"), "do.* not fit the block slots.*: use relu"),
        (BlockSettings(last=0), r"last 0 is not in 1\.\.8"),
        (BlockSettings(last=9), r"last 9 is not in 1\.\.8"),
        (BlockSettings(hidden=0), "hidden 0 is below 1"),
        (BlockSettings(dropout=1.0), "dropout"),
    ],
    ids=["tanh-GELU", "no block", "too many blocks", "no hidden unit", "all left out"],
)
def test_settings_that_no_slot_expresses_are_refused(settings: BlockSettings, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BlockAdapters(WIDTH, 12, settings)
