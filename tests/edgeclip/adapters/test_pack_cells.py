"""A pack's cells in torch, beside its outputs."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from edgeclip.adapters.pack_cells import CellReader, PackCells, sharing_weights
from edgeclip.adapters.pack_outputs import outputs_of
from edgeclip.clip import Backbone
from support.tiny_packs import Tensors, random_deltas, random_tensors

HEAD = ("projection_delta", "va_down", "va_up", "va_ratio", "class_bias")
DEEP = ("ba_down", "ba_down_bias", "ba_up", "ba_up_bias", "cp_attend", "cp_score")


def _images(backbone: Backbone, count: int, seed: int = 0) -> NDArray[np.uint8]:
    size = backbone.preprocess.size
    return np.random.default_rng(seed).integers(0, 256, (count, size, size, 3), np.uint8)


def _tensors(backbone: Backbone, kind: str) -> Tensors:
    names = {"head": HEAD, "deep": DEEP}.get(kind, ())
    tensors = random_tensors(3, columns=3, names=names)
    return tensors if names or not kind else tensors | random_deltas(backbone, kind)


@pytest.mark.parametrize(
    ("kind", "cells"),
    [
        ("head", 16),  # of 8 px in 32 x 32
        ("deep", 16),
        ("lora", 16),
        ("mlp_ln", 1),  # it lies behind the whole tower, and so it has no cells
    ],
)
def test_the_outputs_are_those_without_cells(backbone: Backbone, kind: str, cells: int) -> None:
    images, tensors = _images(backbone, 40), _tensors(backbone, kind)
    expected, found = outputs_of(images, backbone, tensors), PackCells(backbone, tensors)(images)
    for ours, theirs in zip(found.head, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
    assert found.scores.shape == (40, cells, 3)


def test_a_score_is_a_cosine_with_the_packs_own_projection(backbone: Backbone) -> None:
    images = _images(backbone, 2)
    tensors = random_tensors(4, columns=3, names=("projection_delta",))
    moved = CellReader(backbone)(images, tensors["projection_delta"]).cells
    weights = torch.from_numpy(tensors["class_weights"])
    expected = torch.nn.functional.normalize(moved, dim=-1) @ weights
    torch.testing.assert_close(PackCells(backbone, tensors)(images).scores, expected)
    assert not torch.allclose(moved, CellReader(backbone)(images).cells)


@pytest.mark.parametrize("kind", ["head", "deep"])
def test_threads_at_once_see_their_own_images(backbone: Backbone, kind: str) -> None:
    run = PackCells(backbone, _tensors(backbone, kind))
    batches = [_images(backbone, 1 + number % 3, number) for number in range(24)]
    alone = [run(batch).scores for batch in batches]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(lambda batch: run(batch).scores, batches))
    for ours, theirs in zip(together, alone, strict=True):
        assert torch.equal(ours, theirs)


def test_modules_are_copied_and_weights_are_not(backbone: Backbone) -> None:
    own = sharing_weights(backbone)
    assert own.tower.visual is not backbone.tower.visual
    pairs = zip(own.tower.parameters(), backbone.tower.parameters(), strict=True)
    assert all(ours is theirs for ours, theirs in pairs)


def test_the_encoder_itself_gets_no_hook(backbone: Backbone) -> None:
    PackCells(backbone, _tensors(backbone, "head"))(_images(backbone, 1))
    assert not any(module._forward_hooks for module in backbone.tower.modules())
