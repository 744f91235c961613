from __future__ import annotations

from pathlib import Path

import pytest
import torch

from edgeclip.clip import Backbone, load_backbone
from edgeclip.errors import ConfigError
from edgeclip.tower_kinds import block_count, require_stages
from edgeclip.towers import split_tower
from support.towers import RESNET, VIT, load_tower, random_frames

VARIANTS: dict[str, dict[str, object]] = {
    "class token": {},
    "mean of the patches": {"pool_type": "avg"},
    "norm after the pooling": {"pool_type": "avg", "final_ln_after_pool": True},
    "norm after the class token": {"final_ln_after_pool": True},
    "no norm before": {"no_ln_pre": True},
    "patches left out in training": {"patch_dropout": 0.5, "pool_type": "avg"},
    "scaled layers": {"ls_init_value": 0.1},
}


@pytest.fixture(params=list(VARIANTS.values()), ids=list(VARIANTS))
def backbone(request: pytest.FixtureRequest, tmp_path: Path) -> Backbone:
    return load_tower(tmp_path / "tower", VIT | request.param)


def _compare(backbone: Backbone, cut: int) -> None:
    frames = random_frames(3, backbone.base.image_size)
    z, f = backbone.embed_images(frames)
    lower, upper = backbone.split(cut)
    with torch.inference_mode():
        again = upper(backbone.embed_tokens(frames, lower))
    torch.testing.assert_close(again.z, z, atol=1e-6, rtol=0)
    torch.testing.assert_close(again.f, f, atol=1e-6, rtol=0)
    patches = backbone.embed_tokens(frames, lower).shape[1] - 1
    assert again.patches.shape == (3, patches, backbone.base.embed_dim)


@pytest.mark.parametrize("cut", [0, 2, 3])
def test_the_two_parts_are_the_whole_tower(backbone: Backbone, cut: int) -> None:
    _compare(backbone, cut)
    assert backbone.base.blocks == 3


def test_the_carried_backbone_is_cut_bit_for_bit() -> None:
    backbone = load_backbone("demo")
    _compare(backbone, 2)
    frames = random_frames(2, 96)
    lower, upper = backbone.split(4)
    with torch.inference_mode():
        again = upper(backbone.embed_tokens(frames, lower))
    assert torch.equal(again.f, backbone.embed_images(frames)[1])
    assert (upper.cut, upper.total_blocks) == (4, 6)


def test_the_mean_of_the_projected_patches_is_the_feature_of_a_tower_that_averages(
    tmp_path: Path,
) -> None:
    backbone = load_tower(tmp_path / "tower", VIT | {"pool_type": "avg"})
    lower, upper = backbone.split(1)
    with torch.inference_mode():
        outputs = upper(backbone.embed_tokens(random_frames(3), lower))
    torch.testing.assert_close(outputs.patches.mean(1), outputs.f, atol=1e-5, rtol=0)


def test_cutting_copies_no_weights(tmp_path: Path) -> None:
    backbone = load_tower(tmp_path / "tower", VIT)
    lower, upper = backbone.split(1)
    own = {id(parameter) for parameter in backbone.tower.parameters()}
    assert {id(p) for part in (lower, upper) for p in part.parameters()} == own


@pytest.mark.parametrize("cut", [-1, 4])
def test_a_cut_outside_the_tower_is_refused(tmp_path: Path, cut: int) -> None:
    backbone = load_tower(tmp_path / "tower", VIT)
    with pytest.raises(ValueError, match=rf"cut {cut} is not in 0\.\.3"):
        backbone.split(cut)


def test_a_resnet_is_pointed_to_the_stage_adapters(tmp_path: Path) -> None:
    backbone = load_tower(tmp_path / "tower", RESNET)
    assert backbone.base.blocks == 0
    require_stages(backbone.tower.visual)
    with pytest.raises(ConfigError, match=r"is a ResNet .*: use the stage adapters"):
        backbone.split(0)


def test_a_vit_is_pointed_to_the_block_adapters(tmp_path: Path) -> None:
    backbone = load_tower(tmp_path / "tower", VIT)
    with pytest.raises(ConfigError, match=r"found VisionTransformer: use the block adapters"):
        require_stages(backbone.tower.visual)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"attentional_pool": True, "attn_pooler_heads": 2}, "it pools by attention"),
        (
            {"timm_model_name": "vit_tiny_patch16_224", "image_size": 224},
            "no transformer.resblocks",
        ),
    ],
    ids=["CoCa", "timm"],
)
def test_towers_that_are_not_known_are_refused_in_one_line(
    tmp_path: Path, change: dict[str, object], reason: str
) -> None:
    backbone = load_tower(tmp_path / "tower", VIT | change)
    assert block_count(backbone.tower.visual) == 0
    with pytest.raises(ConfigError, match="use an adapter of the head") as caught:
        split_tower(backbone.tower.visual, backbone.tower.projection, 0)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)
