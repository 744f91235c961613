from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.nn import functional

from edgeclip.cells import cells_of
from edgeclip.clip import DEMO, Backbone, load_backbone
from edgeclip.contract.pack import filled_for
from edgeclip.contract.preprocess import prepare
from edgeclip.contract.slots import GraphKind, filled_slots
from edgeclip.scenes.image_sets import Frame, ImageSetPlan, frames
from edgeclip_export.differences import patch_difference
from edgeclip_export.fuse import FusedModel
from edgeclip_export.parity import fused_outputs
from support.tiny_packs import Tensors, random_tensors, write_encoder
from support.towers import cells_by_last_values

RESNET = {"image_size": 64, "layers": [1, 1, 1, 1], "width": 8, "patch_size": None}
FASTVIT: dict[str, object] = {
    "timm_model_name": "fastvit_t8",
    "timm_model_pretrained": False,
    "timm_pool": "avg",
    "timm_proj": None,
    "image_size": 64,
}
RESNET_OF_TIMM = {**FASTVIT, "timm_model_name": "test_resnet", "timm_proj": ""}
MOBILENET = {**RESNET_OF_TIMM, "timm_model_name": "mobilenetv2_035"}
BY_MAXIMUM = {**RESNET_OF_TIMM, "timm_pool": "max"}


def _images(backbone: Backbone, count: int = 2) -> NDArray[np.uint8]:
    size = backbone.preprocess.size
    return np.random.default_rng(3).integers(0, 256, (count, size, size, 3), np.uint8)


def _slots(backbone: Backbone) -> Tensors:
    width, embed_dim = backbone.base.width, backbone.base.embed_dim
    tensors = random_tensors(
        2, columns=3, names=("projection_delta",), width=width, embed_dim=embed_dim
    )
    return filled_slots(tensors, width=width, embed_dim=embed_dim)


def _scores(backbone: Backbone, slots: Tensors, graph: GraphKind = "head") -> NDArray[np.float32]:
    fused = FusedModel(backbone, "fp32", graph).eval()
    if graph == "deep":
        slots = filled_for(graph, backbone.base, {n: slots[n] for n in slots if slots[n].any()})
    return np.asarray(fused_outputs(fused, _images(backbone), slots)["patch_scores"])


def _expected(backbone: Backbone, cells: torch.Tensor, slots: Tensors) -> NDArray[np.float32]:
    projection = backbone.tower.projection + torch.from_numpy(slots["projection_delta"])
    direction = functional.normalize(cells @ projection, dim=-1)
    return (direction @ torch.from_numpy(slots["class_weights"])).numpy()


def _pixels(backbone: Backbone) -> torch.Tensor:
    mean, std = (torch.tensor(v) for v in (backbone.preprocess.mean, backbone.preprocess.std))
    pixels = (torch.from_numpy(_images(backbone)).float() / 255 - mean) / std
    return pixels.permute(0, 3, 1, 2)


def _by_attention(visual: Any, pixels: torch.Tensor) -> torch.Tensor:
    """A cell of a CLIP ResNet, one matrix after the other."""
    h = visual.stem(pixels)
    for stage in ("layer1", "layer2", "layer3", "layer4"):
        h = getattr(visual, stage)(h)
    cells = h.flatten(2).permute(0, 2, 1)
    return torch.as_tensor(visual.attnpool.c_proj(visual.attnpool.v_proj(cells)))


def _by_mean(visual: Any, pixels: torch.Tensor) -> torch.Tensor:
    h = visual.trunk.forward_features(pixels)
    return torch.as_tensor(visual.trunk.head.fc(h.flatten(2).permute(0, 2, 1)))


def _by_classifier(visual: Any, pixels: torch.Tensor) -> torch.Tensor:
    h = visual.trunk.forward_features(pixels)
    return torch.as_tensor(visual.trunk.get_classifier()(h.flatten(2).permute(0, 2, 1)))


def _whole(visual: Any, pixels: torch.Tensor) -> torch.Tensor:
    return torch.as_tensor(visual(pixels))[:, None]


@pytest.mark.parametrize(
    ("vision", "cells", "count"),
    [
        (RESNET, _by_attention, 4),
        (FASTVIT, _by_mean, 4),
        (MOBILENET, _by_classifier, 4),
        (RESNET_OF_TIMM, _by_classifier, 4),
        (BY_MAXIMUM, _whole, 1),
    ],
    ids=["ResNet of CLIP", "mean and linear layer", "MobileNet", "ResNet of timm", "unknown"],
)
def test_a_cell_goes_the_way_that_the_towers_pooling_takes_it(
    vision: dict[str, object], cells: Any, count: int, tmp_path: Path
) -> None:
    backbone = write_encoder(tmp_path, vision=vision).load()
    slots = _slots(backbone)
    with torch.inference_mode():
        expected = _expected(backbone, cells(backbone.tower.visual, _pixels(backbone)), slots)
    found = _scores(backbone, slots)
    assert found.shape == (2, count, 3)
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("graph", ["head", "deep"])
def test_a_vits_cell_goes_through_the_values_of_its_last_block(
    graph: GraphKind, backbone: Backbone
) -> None:
    slots = _slots(backbone)
    with torch.inference_mode():
        cells = cells_by_last_values(backbone.tower.visual, _pixels(backbone))
        expected = _expected(backbone, cells, slots)
    np.testing.assert_allclose(_scores(backbone, slots, graph), expected, atol=1e-5)


def test_the_demos_cells_are_like_an_animal_where_it_is() -> None:
    demo = load_backbone(DEMO)
    columns = demo.embed_prompts([["a zebra", "a leopard"], ["an empty scene", "grass and bushes"]])
    found = [_hits_the_animal(demo, columns, frame) for frame in _frames()]
    assert np.mean(found) >= 0.8, f"{sum(found)} of {len(found)}"


def _frames() -> list[Frame]:
    plan = ImageSetPlan({"zebra": 6, "leopard": 6}, 2, seed=5, strip=False)
    return [frame for label in plan.counts for frame in frames(plan, label)]


def _hits_the_animal(demo: Backbone, columns: torch.Tensor, frame: Frame) -> bool:
    """Whether the cell that is most like an animal, against an empty scene, touches its box."""
    image = prepare(frame.scene.image, demo.preprocess)[None]
    with torch.inference_mode():
        pixels = demo.pixels(image)
        _, cells = cells_of(demo.tower.visual)(demo.tower.visual, pixels)
        scores = functional.normalize(cells[0] @ demo.tower.projection, dim=-1) @ columns.T
    side = round(len(scores) ** 0.5)
    row, col = divmod(int((scores[:, 0] - scores[:, 1]).argmax()), side)
    x, y, width, height = frame.scene.boxes[-1]
    return bool(
        x * side - 1 <= col <= (x + width) * side and y * side - 1 <= row <= (y + height) * side
    )


def test_asking_for_cells_does_not_move_what_decides(tmp_path: Path) -> None:
    backbone = write_encoder(tmp_path, vision=RESNET).load()
    pixels = _pixels(backbone)
    with torch.inference_mode():
        z, _ = cells_of(backbone.tower.visual)(backbone.tower.visual, pixels)
        torch.testing.assert_close(z, backbone.tower.visual(pixels))


def test_the_mean_of_a_mean_pooled_towers_cells_is_the_image(tmp_path: Path) -> None:
    backbone = write_encoder(tmp_path, vision=FASTVIT).load()
    with torch.inference_mode():
        z, cells = cells_of(backbone.tower.visual)(backbone.tower.visual, _pixels(backbone))
    torch.testing.assert_close(cells.mean(dim=1), z, atol=1e-5, rtol=1e-4)


def test_differences_of_scores_count_as_cosines() -> None:
    slots = {"class_weights": np.array([[30.0, 0.1], [40.0, 0.0]], np.float32)}
    scores = np.zeros((1, 2, 2), np.float32)
    off = scores.copy()
    off[0, 1, 0] = 5.0
    assert patch_difference(scores, off, slots) == pytest.approx(0.1)
