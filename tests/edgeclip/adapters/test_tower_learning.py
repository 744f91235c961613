"""Methods that need a tower of their own have the right slopes."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from edgeclip.adapters.block import BlockSettings
from edgeclip.adapters.component import Component
from edgeclip.adapters.model import Graph, Inputs
from edgeclip.adapters.parallel_mlp import ParallelMlp
from edgeclip.adapters.stages import StageAdapters, StageGraph, StageSettings
from edgeclip.adapters.tower_tuning import LowRank, NormTuning, SingularValues
from edgeclip.adapters.weight_graph import WeightGraph
from edgeclip.clip import Backbone
from edgeclip.towers import FrozenTower, split_stages
from support.towers import (
    RESNET,
    VIT,
    disturb,
    inputs_of_frames,
    load_tower,
    random_frames,
    random_start,
)

IMAGES = 16
Made = tuple[Component, Graph]


def _weights(kind: Callable[..., Component], **settings: float) -> Callable[[FrozenTower], Made]:
    def make(tower: FrozenTower) -> Made:
        graph = WeightGraph(tower, 1)
        return kind(graph.weights, **settings), graph

    return make


def _stages(tower: FrozenTower) -> Made:
    return StageAdapters(tower, StageSettings(last=2, hidden=32)), StageGraph(tower, 2)


def _parallel_mlp(tower: FrozenTower) -> Made:
    graph = WeightGraph(tower, 1)
    return ParallelMlp(graph.weights, BlockSettings(last=2, hidden=5)), graph


KINDS: dict[str, tuple[Callable[[FrozenTower], Made], dict[str, object]]] = {
    "ln": (_weights(NormTuning), VIT),
    "lora": (_weights(LowRank, rank=4, left_out=0.0), VIT),
    "svd": (_weights(SingularValues), VIT),
    "parallel_mlp": (_parallel_mlp, VIT),
    "stages": (_stages, RESNET),
}


@pytest.fixture(params=list(KINDS))
def kind(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def _loaded(kind: str, folder: Path) -> tuple[Backbone, Inputs]:
    backbone = load_tower(folder / "tower", KINDS[kind][1])
    tower = backbone.tower
    frames = random_frames(IMAGES)
    if kind != "stages":
        return backbone, inputs_of_frames(backbone, backbone.split(1)[0], frames)
    lower, _ = split_stages(tower.visual, tower.projection, 2)
    return backbone, Inputs(*backbone.embed_images(frames), backbone.embed_tokens(frames, lower))


def test_invariant_18_gradients_equal_finite_differences_in_double_precision(
    kind: str, tmp_path: Path
) -> None:
    backbone, inputs = _loaded(kind, tmp_path)
    assert isinstance(inputs.tokens, Tensor)
    tokens = inputs.tokens[:2].double()
    component, graph = KINDS[kind][0](copy.deepcopy(backbone.tower).double())
    disturb(component, by=0.05)
    component.double().eval()
    start = random_start(backbone.base.embed_dim)
    neutral = {name: slot.double() for name, slot in graph.neutral(start).items()}

    def loss() -> Tensor:
        outputs = graph(Inputs(inputs.z, inputs.f, tokens), neutral | component.slots(0.7))
        return (outputs.logits.sin() * outputs.probabilities).sum()

    loss().backward()  # type: ignore[no-untyped-call]
    rng, step = np.random.default_rng(0), 1e-6
    for parameter in component.parameters():
        assert parameter.grad is not None
        flat, slope = parameter.data.view(-1), parameter.grad.view(-1)
        index = int(rng.integers(0, len(flat)))
        kept, sides = flat[index].item(), []
        for change in (step, -step):
            flat[index] = kept + change
            with torch.no_grad():
                sides.append(float(loss()))
        flat[index] = kept
        expected = (sides[0] - sides[1]) / (2 * step)
        assert float(slope[index]) == pytest.approx(expected, rel=1e-3, abs=1e-6)
