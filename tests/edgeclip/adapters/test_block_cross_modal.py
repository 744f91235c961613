from __future__ import annotations

from typing import cast

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import layer_norm, normalize

from edgeclip.adapters.block_cross_modal import (
    CrossModalBlocks,
    CrossModalLayer,
    CrossModalSettings,
)
from edgeclip.adapters.cross_modal import kv_attend, kv_bake
from edgeclip.adapters.deep_graph import cross_modal_branch
from edgeclip.adapters.text_tokens import TextTokens
from edgeclip.contract.slots import DEEP_SLOTS
from edgeclip.errors import PackError
from support.samples import HASH
from support.towers import disturb

WIDTH, EMBED_DIM, PROMPTS = 12, 8, 5


def _text(count: int = PROMPTS, seed: int = 0) -> TextTokens:
    generator = torch.Generator().manual_seed(seed)
    return TextTokens(normalize(torch.randn(count, EMBED_DIM, generator=generator), dim=1), HASH)


def _trained(text: TextTokens, *, null: float | None = 0.0) -> CrossModalBlocks:
    torch.manual_seed(0)
    settings = CrossModalSettings(last=2, attention=4, null=null)
    blocks = CrossModalBlocks(WIDTH, 6, text, settings).eval()
    disturb(blocks)
    return blocks


def _tokens(count: int = 7) -> Tensor:
    return 3 * torch.randn(2, count, WIDTH, generator=torch.Generator().manual_seed(1)) + 1


def _by_slots(blocks: CrossModalBlocks, h: Tensor) -> Tensor:
    return cross_modal_branch(layer_norm(h, h.shape[-1:]), blocks.slots(), -1)


def _last(blocks: CrossModalBlocks) -> CrossModalLayer:
    return cast(CrossModalLayer, blocks.layers[-1])


@pytest.mark.parametrize(("attention", "count"), [(32, 84_288), (64, 166_272)])
def test_a_layer_of_a_vit_b_32_has_as_many_parameters_as_stated(attention: int, count: int) -> None:
    text = TextTokens(normalize(torch.ones(3, 512), dim=1), HASH)
    blocks = CrossModalBlocks(768, 12, text, CrossModalSettings(last=1, attention=attention))
    assert sum(parameter.numel() for parameter in blocks.parameters()) == count


@pytest.mark.parametrize("null", [0.0, 1.5, None], ids=["null slot", "likely null", "no null slot"])
def test_invariant_19_both_bakes_equal_the_live_module(null: float | None) -> None:
    blocks, h = _trained(_text(), null=null), _tokens()
    live = _last(blocks).live(h, blocks.tokens, null)
    torch.testing.assert_close(_by_slots(blocks, h), live, atol=1e-5, rtol=0)
    layer = _last(blocks)
    normed = layer_norm(h, h.shape[-1:], layer.gain, layer.shift)
    kv = kv_attend(normed, kv_bake(blocks.tokens, layer.weights, null=null))
    torch.testing.assert_close(kv, live, atol=1e-5, rtol=0)


def test_the_slots_equal_the_formula_in_numpy() -> None:
    blocks, h = _trained(_text(), null=0.7), _tokens()
    p = {n: v.detach().double().numpy() for n, v in blocks.layers[-1].named_parameters()}
    x, tau = h.double().numpy(), blocks.text.features.double().numpy() * EMBED_DIM**0.5
    n = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    q = (n * p["gain"] + p["shift"]) @ p["w_q"] + p["b_q"]
    k, v = tau @ p["w_k"], tau @ p["w_v"] + p["b_v"]
    e = np.exp(q @ k.T / np.sqrt(4))
    weights = e / (e.sum(-1, keepdims=True) + np.exp(0.7))
    expected = weights @ v @ p["w_o"] + p["b_o"]
    np.testing.assert_allclose(_by_slots(blocks, h).detach().numpy(), expected, atol=1e-5)


def test_invariant_20_prompts_in_another_order_change_nothing() -> None:
    text, h = _text(), _tokens()
    order = torch.randperm(PROMPTS, generator=torch.Generator().manual_seed(2))
    moved = TextTokens(text.features[order], HASH)
    one, other = (_by_slots(_trained(tokens), h) for tokens in (text, moved))
    torch.testing.assert_close(one, other, atol=1e-6, rtol=0)


def test_invariant_20_prompts_given_twice_change_nothing_without_a_null_slot() -> None:
    text, h = _text(), _tokens()
    twice = TextTokens(torch.cat([text.features, text.features]), HASH)
    one, other = (_by_slots(_trained(tokens, null=None), h) for tokens in (text, twice))
    torch.testing.assert_close(one, other, atol=2e-6, rtol=0)


def test_invariant_20_visual_tokens_in_another_order_come_out_in_that_order() -> None:
    blocks, h = _trained(_text()), _tokens()
    order = torch.randperm(7, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(
        _by_slots(blocks, h)[:, order], _by_slots(blocks, h[:, order]), atol=1e-6, rtol=0
    )


def test_invariant_22_other_prompts_than_those_of_the_tokens_are_refused() -> None:
    with pytest.raises(PackError, match="was made for the prompts aaaaaaaaaaaa, not bbbbbbbbbbbb"):
        _trained(_text()).text.check("b" * 64)


def test_a_likely_null_slot_shuts_the_branch() -> None:
    text, h = _text(), _tokens()
    blocks = _trained(text, null=60.0)
    bias = _last(blocks).b_o.expand(2, 7, WIDTH)
    torch.testing.assert_close(_by_slots(blocks, h), bias, atol=1e-6, rtol=0)


def test_blocks_without_an_adapter_are_zero_rows() -> None:
    slots = _trained(_text()).slots()
    assert slots.keys() == {name for name in DEEP_SLOTS if name.startswith("bx_")}
    for slot in slots.values():
        assert len(slot) == 4
        assert not slot[:2].any()
        assert slot[2:].any()
    assert slots["bx_qk"].shape[2] == PROMPTS + 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (CrossModalSettings(last=5), r"last 5 is not in 1\.\.4"),
        (CrossModalSettings(heads=2), "hold one head"),
        (CrossModalSettings(attention=0), "attention 0 is below 1"),
    ],
    ids=["too many blocks", "two heads", "no width"],
)
def test_settings_that_no_slot_expresses_are_refused(
    settings: CrossModalSettings, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        CrossModalBlocks(WIDTH, 6, _text(), settings)


def test_more_prompts_than_the_slots_hold_are_refused() -> None:
    with pytest.raises(ValueError, match=r"33 text tokens: the cross-modal slots hold 1\.\.32"):
        CrossModalBlocks(WIDTH, 6, _text(33))
