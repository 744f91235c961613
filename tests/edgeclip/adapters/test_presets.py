from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.functional import normalize

from edgeclip.adapters.class_head import ZeroShot
from edgeclip.adapters.component import Component
from edgeclip.adapters.deep_graph import DeepGraph
from edgeclip.adapters.model import AdapterModel
from edgeclip.adapters.pooling import ClassPooling
from edgeclip.adapters.presets import (
    MOST_PARAMETERS,
    PRESETS,
    lowest_block,
    preset_components,
    preset_method,
)
from edgeclip.adapters.text_tokens import TextTokens
from edgeclip.adapters.tower_tuning import LowRank, NormTuning
from edgeclip.clip import load_backbone
from edgeclip.config import Recipe
from edgeclip.errors import ConfigError
from edgeclip.methods import parse_method
from edgeclip.tower_kinds import block_count
from support.samples import HASH
from support.towers import inputs_of_frames, random_frames, random_start, vit_b_32

RESNET_50 = 25_557_032


@pytest.fixture(scope="module")
def tower(tmp_path_factory: pytest.TempPathFactory) -> nn.Module:
    return vit_b_32(tmp_path_factory.mktemp("vit"))


def _text(embed_dim: int, count: int = 8) -> TextTokens:
    drawn = torch.randn(count, embed_dim, generator=torch.Generator().manual_seed(0))
    return TextTokens(normalize(drawn, dim=1), HASH)


def _count(parts: list[Component]) -> int:
    return sum(p.numel() for part in parts for p in part.parameters() if p.requires_grad)


@pytest.fixture
def of_vit_b_32(tower: nn.Module) -> dict[str, list[Component]]:
    width, embed_dim = tower.get_parameter("proj").shape
    start = random_start(embed_dim)
    sizes = {"width": width, "blocks": block_count(tower)}
    return {name: preset_components(name, start, _text(embed_dim), **sizes) for name in PRESETS}


def test_invariant_17_presets_have_as_many_parameters_as_stated(
    tower: nn.Module, of_vit_b_32: dict[str, list[Component]]
) -> None:
    assert sum(parameter.numel() for parameter in tower.parameters()) == 87_849_216
    counts = {name: _count(parts) for name, parts in of_vit_b_32.items()}
    assert counts == {"tiny": 65_537, "leopard": 683_392, "strong": 1_273_601}
    assert [_count([part]) for part in of_vit_b_32["leopard"]] == [131_072, 215_168, 337_152]
    assert all(count < MOST_PARAMETERS for count in counts.values())
    assert counts["leopard"] * 30 < RESNET_50


def test_methods_on_the_towers_own_weights_have_as_many_parameters_as_stated(
    tower: nn.Module,
) -> None:
    weights = dict(tower.named_parameters())
    assert _count([NormTuning(weights)]) == 39_936
    assert _count([LowRank(weights, rank=2)]) == 110_592


@pytest.mark.parametrize("name", list(PRESETS))
def test_a_fresh_preset_on_the_carried_backbone_is_zero_shot_bit_for_bit(name: str) -> None:
    backbone = load_backbone("demo")
    base = backbone.base
    start, text = random_start(base.embed_dim), _text(base.embed_dim)
    parts = preset_components(name, start, text, width=base.width, blocks=base.blocks)
    lower, upper = backbone.split(lowest_block(parts, base.blocks))
    inputs = inputs_of_frames(backbone, lower, random_frames(2, base.image_size))
    graph = DeepGraph(upper)
    with torch.inference_mode():
        fresh = AdapterModel(start, parts, graph)(inputs).logits
        assert torch.equal(fresh, AdapterModel(start, (), graph)(inputs).logits)


def test_the_cut_lies_below_all_components() -> None:
    start = random_start(12)
    cuts = {
        name: lowest_block(preset_components(name, start, _text(12), width=16, blocks=12), 12)
        for name in PRESETS
    }
    assert cuts == {"tiny": 12, "leopard": 4, "strong": 4}
    assert lowest_block([ClassPooling(start)], 3) == 3


def test_an_unknown_preset_and_a_tower_without_blocks_are_refused() -> None:
    start: ZeroShot = random_start(12)
    with pytest.raises(ConfigError, match="'huge' is not known: there are tiny, leopard, strong"):
        preset_components("huge", start, _text(12), width=16, blocks=12)
    with pytest.raises(ConfigError, match="leopard reaches into transformer blocks"):
        preset_components("leopard", start, _text(12), width=16, blocks=0)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_on_the_command_line_is_the_same_set_of_adapters(name: str) -> None:
    method, changes = preset_method(name)
    assert parse_method(method).level == "tokens"
    recipe = Recipe.model_validate(changes)
    preset = PRESETS[name]
    assert recipe.reduction == preset.reduction
    if preset.block:
        assert (recipe.blocks, recipe.block_hidden) == (preset.block.last, preset.block.hidden)
    if preset.cross_modal:
        assert recipe.attention == preset.cross_modal.attention


def test_a_preset_that_is_none_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="--preset lion is not known: there are tiny, leopard"):
        preset_method("lion")
