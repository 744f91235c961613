from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from edgeclip.adapters.class_head import ClassHead, ZeroShot
from edgeclip.adapters.deep_graph import DeepGraph
from edgeclip.adapters.head_graph import HeadOutputs
from edgeclip.adapters.model import AdapterModel, FeatureGraph, Inputs
from edgeclip.adapters.visual import VisualAdapter
from edgeclip.clip import Backbone, load_backbone
from edgeclip.contract.slots import ALL_SLOTS, DEEP_SLOTS
from support.towers import VIT, inputs_of_frames, load_tower, random_frames, random_start

Array = NDArray[np.float64]


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Backbone:
    return load_tower(tmp_path_factory.mktemp("tower") / "t", VIT | {"pool_type": "avg"})


@pytest.fixture(scope="module")
def start(backbone: Backbone) -> ZeroShot:
    return random_start(backbone.base.embed_dim)


def _inputs(backbone: Backbone, cut: int) -> tuple[Inputs, DeepGraph]:
    lower, upper = backbone.split(cut)
    frames = random_frames(4, backbone.base.image_size)
    return inputs_of_frames(backbone, lower, frames), DeepGraph(upper)


def _random_slots(graph: DeepGraph, start: ZeroShot, seed: int = 3) -> dict[str, torch.Tensor]:
    width, embed_dim = graph.upper.projection.shape
    neutral = graph.neutral(start)
    sizes = {"D": width, "E": embed_dim, "h": 5, "T": 3, "K": start.weights.shape[1]}
    sizes |= {"A": len(neutral["ba_down"]), "X": len(neutral["bx_qk"])}
    generator = torch.Generator().manual_seed(seed)
    random = {
        name: 0.3 * torch.randn([sizes[d] for d in slot.dims], generator=generator)
        for name, slot in DEEP_SLOTS.items()
    }
    return neutral | random


def _equal(one: HeadOutputs, other: HeadOutputs) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("name", ["tiny", "demo"])
def test_invariant_1_neutral_slots_give_the_head_graph_bit_for_bit(
    backbone: Backbone, name: str
) -> None:
    chosen = backbone if name == "tiny" else load_backbone("demo")
    start = random_start(chosen.base.embed_dim)
    inputs, graph = _inputs(chosen, 1)
    torch.manual_seed(2)
    head = ClassHead(start.head, start.columns, torch.ones(3))
    visual = VisualAdapter(chosen.base.embed_dim, reduction=4, ratio=0.3)
    for parameter in (*head.parameters(), *visual.parameters()):
        parameter.data.normal_(0, 0.1)
    deep = AdapterModel(start, [visual, head], graph)
    shallow = AdapterModel(start, [visual, head], FeatureGraph())
    with torch.inference_mode():
        assert _equal(deep(inputs), shallow(inputs))


def test_neutral_slots_of_any_size_add_nothing(backbone: Backbone, start: ZeroShot) -> None:
    inputs, graph = _inputs(backbone, 0)
    slots = _random_slots(graph, start)
    off = ("ba_up", "ba_up_bias", "bx_vo", "bx_out_bias", "cp_score")
    slots |= {name: torch.zeros_like(slots[name]) for name in off}
    with torch.inference_mode():
        assert _equal(graph(inputs, slots), graph(inputs, graph.neutral(start)))


def test_the_graph_equals_the_formulas_in_numpy(backbone: Backbone, start: ZeroShot) -> None:
    inputs, graph = _inputs(backbone, 0)
    slots = _random_slots(graph, start)
    with torch.inference_mode():
        outputs = graph.outputs(inputs, slots)
    logits, attention = _in_numpy(graph, inputs, slots)
    np.testing.assert_allclose(outputs.head.logits.numpy(), logits, atol=1e-4)
    np.testing.assert_allclose(outputs.attention.numpy(), attention, atol=1e-5)
    np.testing.assert_allclose(outputs.attention.sum(1).numpy(), 1, atol=1e-5)


def _in_numpy(
    graph: DeepGraph, inputs: Inputs, slots: dict[str, torch.Tensor]
) -> tuple[Array, Array]:
    """The page's equations, the frozen blocks excepted, in float64."""
    s = {name: slot.double().numpy() for name, slot in slots.items()}
    assert isinstance(inputs.tokens, torch.Tensor)
    h = inputs.tokens
    for layer, block in enumerate(graph.upper.blocks):
        with torch.inference_mode():
            x = block(h).double().numpy()
        n = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
        hidden = np.maximum(n @ s["ba_down"][layer] + s["ba_down_bias"][layer], 0)
        text = _softmax(n @ s["bx_qk"][layer] + s["bx_qk_bias"][layer], -1)
        x = x + hidden @ s["ba_up"][layer] + s["ba_up_bias"][layer]
        x = x + text @ s["bx_vo"][layer] + s["bx_out_bias"][layer]
        h = torch.from_numpy(x).float()
    with torch.inference_mode():
        _, f, patches = (part.double().numpy() for part in graph.upper.pool(h))
    u = patches / np.linalg.norm(patches, axis=-1, keepdims=True)
    attention = _softmax(u @ s["cp_attend"], 1)
    pooled = (attention * (u @ s["cp_score"])).sum(1)
    unit = f / np.linalg.norm(f, axis=-1, keepdims=True)
    logits = s["logit_scale"] * (unit @ s["class_weights"] + pooled) + s["class_bias"]
    return logits, attention


def _softmax(x: Array, axis: int) -> Array:
    e = np.exp(x - x.max(axis, keepdims=True))
    return np.asarray(e / e.sum(axis, keepdims=True))


def test_a_later_cut_gives_the_same_outputs(backbone: Backbone, start: ZeroShot) -> None:
    early, graph = _inputs(backbone, 0)
    late, short = _inputs(backbone, 2)
    slots = _random_slots(graph, start)
    for name in DEEP_SLOTS:
        if name.startswith(("ba_up", "bx_vo", "bx_out")):
            slots[name][:-1] = 0  # blocks below the later cut have no adapter
    with torch.inference_mode():
        one, other = graph(early, slots), short(late, slots)
    torch.testing.assert_close(one.logits, other.logits, atol=1e-5, rtol=0)


def test_a_tower_of_more_blocks_has_adapters_behind_the_last_eight(tmp_path: Path) -> None:
    backbone = load_tower(tmp_path / "tower", VIT | {"layers": 10})
    start = random_start(backbone.base.embed_dim)
    inputs, graph = _inputs(backbone, 0)
    neutral = graph.neutral(start)
    assert list(neutral) == list(ALL_SLOTS)
    assert (len(neutral["ba_down"]), len(neutral["bx_qk"])) == (8, 4)
    below, shorter = _inputs(backbone, 2)
    slots = _random_slots(graph, start)
    with torch.inference_mode():
        torch.testing.assert_close(
            graph(inputs, slots).logits, shorter(below, slots).logits, atol=1e-5, rtol=0
        )


def test_without_tokens_the_graph_says_what_it_needs(backbone: Backbone, start: ZeroShot) -> None:
    inputs, graph = _inputs(backbone, 0)
    with pytest.raises(ValueError, match="needs the tokens of the tower's lower part"):
        graph(Inputs(inputs.z, inputs.f), graph.neutral(start))


@pytest.mark.parametrize("name", ["ba_up", "ba_up_bias", "bx_vo", "bx_out_bias"])
def test_an_adapter_below_the_cut_is_refused_rather_than_ignored(
    backbone: Backbone, start: ZeroShot, name: str
) -> None:
    inputs, graph = _inputs(backbone, 2)
    slots = graph.neutral(start)
    slots[name][-2] = 0.1
    with pytest.raises(ValueError, match=f"{name} has adapters below cut 2: cut lower"):
        graph(inputs, slots)


def test_invariant_14_the_graph_gives_no_gradient_to_the_base(
    backbone: Backbone, start: ZeroShot
) -> None:
    inputs, graph = _inputs(backbone, 0)
    slots = {name: slot.requires_grad_() for name, slot in _random_slots(graph, start).items()}
    graph(inputs, slots).logits.square().sum().backward()  # type: ignore[no-untyped-call]
    assert all(parameter.grad is None for parameter in backbone.tower.parameters())
    for name in DEEP_SLOTS:
        gradient = slots[name].grad
        assert gradient is not None
        assert gradient.abs().sum() > 0
        assert torch.isfinite(gradient).all()
