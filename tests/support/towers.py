"""Small image towers of every kind that is known, and batches for them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torch.nn.functional import normalize

from edgeclip import clip
from edgeclip.adapters.class_head import ZeroShot
from edgeclip.adapters.model import Inputs
from edgeclip.towers import FrozenTower, LowerTower
from support.tiny_packs import write_encoder

VIT: dict[str, object] = {
    "image_size": 32,
    "layers": 3,
    "width": 32,
    "patch_size": 8,
    "head_width": 16,
}
RESNET: dict[str, object] = {"image_size": 32, "layers": [1, 1, 1, 1], "width": 8}
COLUMNS = [0, 0, 1, 2]


def load_tower(
    folder: Path,
    vision: dict[str, object],
    *,
    seed: int = 0,
    text: dict[str, object] | None = None,
) -> clip.Backbone:
    """Return a CLIP with random weights and an image tower of one's own.

    Args:
        folder: Is made.
        vision: open_clip's `vision_cfg`.
        seed: Of the weights.
        text: What differs in open_clip's `text_cfg`.
    """
    backbone = write_encoder(folder, vision=vision, seed=seed, text=text).load()
    _give_norms_an_affine(backbone.tower)
    return backbone


def vit_b_32(folder: Path) -> torch.nn.Module:
    """Return the image tower of a ViT-B/32 with random weights; its text tower is small.

    Args:
        folder: For the model's configuration.
    """
    config = folder / "vit-b-32.json"
    vision = {"image_size": 224, "layers": 12, "width": 768, "patch_size": 32}
    text = {"context_length": 16, "vocab_size": 64, "width": 16, "heads": 2, "layers": 1}
    config.write_text(json.dumps({"embed_dim": 512, "vision_cfg": vision, "text_cfg": text}))
    model, _ = clip.untrained_model(config, 0)
    visual: torch.nn.Module = model.visual
    return visual


def random_frames(count: int, size: int = 32, *, seed: int = 1) -> NDArray[np.uint8]:
    """Return `(count, size, size, 3)` uint8."""
    return np.random.default_rng(seed).integers(0, 256, (count, size, size, 3), np.uint8)


def coarse_frames(count: int, size: int = 32, *, seed: int = 1) -> NDArray[np.uint8]:
    """Return `(count, size, size, 3)` uint8 of 4 x 4 coloured fields: no pooling evens them out."""
    fields = np.random.default_rng(seed).integers(0, 256, (count, 4, 4, 3), np.uint8)
    return fields.repeat(size // 4, axis=1).repeat(size // 4, axis=2)


def give_norms_statistics(backbone: clip.Backbone) -> None:
    """Let the batch norms of a ResNet see frames, as training would: else all images are alike."""
    norms = [m for m in backbone.tower.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.weight.data.fill_(1)
        norm.momentum = None  # the mean of all that it sees
        norm.train()
    with torch.no_grad():
        backbone.tower(backbone.pixels(coarse_frames(64, seed=5)))
    for norm in norms:
        norm.eval()


def inputs_of_frames(
    backbone: clip.Backbone, lower: LowerTower, frames: NDArray[np.uint8]
) -> Inputs:
    """Return z, f and tokens of frames."""
    return Inputs(*backbone.embed_images(frames), backbone.embed_tokens(frames, lower))


def random_start(embed_dim: int, *, seed: int = 0) -> ZeroShot:
    """Return a class matrix of three classes and four columns."""
    generator = torch.Generator().manual_seed(seed)
    text = normalize(torch.randn(len(COLUMNS), embed_dim, generator=generator), dim=1)
    return ZeroShot.of(text, COLUMNS, 20.0)


def disturb(module: torch.nn.Module, *, seed: int = 0, by: float = 0.2) -> None:
    """Move every parameter of an adapter, as training would."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        parameter.data.add_(by * torch.randn(parameter.shape, generator=generator))


def tensor_of(values: NDArray[np.float64]) -> Tensor:
    """Return float32 values as a tensor."""
    return torch.from_numpy(values.astype(np.float32))


def _give_norms_an_affine(tower: FrozenTower) -> None:
    """Fresh norms are the identity: a fold that forgot their affine would go unseen."""
    generator = torch.Generator().manual_seed(9)
    for module in tower.modules():
        if isinstance(module, torch.nn.LayerNorm):
            module.weight.data.add_(0.3 * torch.randn(module.weight.shape, generator=generator))
            module.bias.data.add_(0.3 * torch.randn(module.bias.shape, generator=generator))


def cells_by_last_values(visual: Any, pixels: torch.Tensor) -> torch.Tensor:
    """Return `(B, N - 1, D)` cells of a ViT, one matrix of its last attention after the other.

    Args:
        visual: The tower.
        pixels: `(B, 3, S, S)`, normalised.
    """
    tokens = LowerTower(visual, len(visual.transformer.resblocks) - 1)(pixels)
    block = visual.transformer.resblocks[-1]
    width = tokens.shape[-1]
    weight, bias = block.attn.in_proj_weight[-width:], block.attn.in_proj_bias[-width:]
    values = functional.linear(block.ln_1(tokens), weight, bias)
    return torch.as_tensor(visual.ln_post(block.attn.out_proj(values))[:, 1:])
