from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from edgeclip.adapters.block import BlockSettings
from edgeclip.adapters.parallel_mlp import ParallelMlp
from edgeclip.adapters.tower_deltas import merged_tower
from edgeclip.adapters.weight_graph import WeightGraph
from edgeclip.clip import Backbone
from edgeclip.errors import PackError
from support.towers import VIT, disturb, load_tower, random_frames

SETTINGS = BlockSettings(last=1, hidden=3, scale=0.5)


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Backbone:
    return load_tower(tmp_path_factory.mktemp("tower") / "t", VIT)


@pytest.fixture
def trained(backbone: Backbone) -> ParallelMlp:
    part = ParallelMlp(WeightGraph(backbone.tower).weights, SETTINGS)
    disturb(part, by=0.3)
    return part.eval()


class _Beside(nn.Module):
    """An MLP with the branch beside it, computed apart in NumPy."""

    def __init__(self, mlp: nn.Module, part: ParallelMlp, activation: nn.Module) -> None:
        super().__init__()
        self.mlp, self.activation = mlp, activation
        layer = part.layers[0]
        self.own = {name: p.detach().numpy() for name, p in layer.named_parameters()}

    def forward(self, x: Tensor) -> Tensor:
        hidden = x.numpy() @ self.own["down"] + self.own["down_bias"]
        hidden = self.activation(torch.from_numpy(hidden)).numpy()
        branch = 0.5 * (hidden @ self.own["up"] + self.own["up_bias"])
        whole: Tensor = self.mlp(x) + torch.from_numpy(np.asarray(branch, np.float32))
        return whole


def test_parity_mma_block_the_widened_mlp_is_the_mlp_and_the_branch_beside_it(
    backbone: Backbone, trained: ParallelMlp
) -> None:
    beside = copy.deepcopy(backbone.tower)
    block = beside.visual.transformer.resblocks[-1]
    block.mlp = _Beside(block.mlp, trained, block.mlp.gelu)
    pixels = backbone.pixels(random_frames(3))
    with torch.no_grad():
        expected = beside(pixels)[1]
        found = merged_tower(backbone.tower, trained.slots())(pixels)[1]
        before = backbone.tower(pixels)[1]
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    assert not torch.allclose(found, before, atol=1e-3)


def test_only_the_last_blocks_become_wider_and_know_their_size(
    backbone: Backbone, trained: ParallelMlp
) -> None:
    blocks = merged_tower(backbone.tower, trained.slots()).visual.transformer.resblocks
    before = backbone.tower.visual.transformer.resblocks
    widths = [(b.mlp.c_fc.out_features, b.mlp.c_proj.in_features) for b in blocks]
    usual = [(b.mlp.c_fc.out_features, b.mlp.c_proj.in_features) for b in before]
    assert widths[:-1] == usual[:-1]
    assert widths[-1] == tuple(width + SETTINGS.hidden for width in usual[-1])


def test_a_delta_that_does_not_fit_is_refused(backbone: Backbone, trained: ParallelMlp) -> None:
    slots = {name: value[..., :-1] for name, value in trained.slots().items()}
    with pytest.raises(PackError, match=r"mlp\.c_fc\.weight\.wider .* does not fit"):
        merged_tower(backbone.tower, {n: v for n, v in slots.items() if "c_fc.weight" in n})


def test_a_scale_to_be_learned_and_a_tower_without_blocks_are_refused(backbone: Backbone) -> None:
    weights = WeightGraph(backbone.tower).weights
    with pytest.raises(ValueError, match="a learned scale is not offered"):
        ParallelMlp(weights, BlockSettings(scale=None))
    with pytest.raises(ValueError, match="has no parameter of this kind"):
        ParallelMlp({}, SETTINGS)
