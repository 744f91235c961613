"""What an image tower sees in each cell of the image, before the projection.

A cell is a patch of a ViT, or a position of a convolutional tower's last feature map. A ViT's patch
tokens go through its last norm. In a CLIP ResNet a cell goes through the value and output matrices
of the attention pooling, as in MaskCLIP (Zhou et al., ECCV 2022, arXiv 2112.01071); where a tower
pools by the mean, through the layer that follows. A tower that is none of these has one cell: the
whole image.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from edgeclip.tower_kinds import STAGES, block_count, is_staged


class Cells(nn.Module):
    """Runs a tower so that it gives its cells, too. This one has a single cell, the whole image."""

    def forward(self, visual: Any, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Return z `(B, D)` and cells `(B, N - 1, D)`.

        Args:
            visual: The tower, its own projection taken off.
            pixels: `(B, 3, S, S)`, normalised, of the tower's type.
        """
        z: Tensor = visual(pixels)
        return z, z[:, None]


class _Tokens(Cells):
    """Of a ViT of open_clip that was asked to give its tokens."""

    def forward(self, visual: Any, pixels: Tensor) -> tuple[Tensor, Tensor]:
        z, tokens = visual(pixels)
        return z, visual.ln_post(tokens) if visual.final_ln_after_pool else tokens


class _Stages(Cells):
    """Of a ResNet of open_clip. Value and output matrix become one, a third of the work."""

    def __init__(self, pool: Any) -> None:
        super().__init__()
        value, out = (layer.weight.double() for layer in (pool.v_proj, pool.c_proj))
        self.linear = nn.Linear(value.shape[1], out.shape[0])
        with torch.no_grad():
            self.linear.weight.copy_(out @ value)
            self.linear.bias.copy_(out @ pool.v_proj.bias.double() + pool.c_proj.bias.double())
        self.linear.requires_grad_(False)

    def forward(self, visual: Any, pixels: Tensor) -> tuple[Tensor, Tensor]:
        h = visual.stem(pixels)
        for stage in STAGES:
            h = getattr(visual, stage)(h)
        return visual.attnpool(h), self.linear(h.flatten(2).transpose(1, 2))


class _Means(Cells):
    """Of a convolutional tower of timm that takes the mean, then one linear layer."""

    def forward(self, visual: Any, pixels: Tensor) -> tuple[Tensor, Tensor]:
        trunk = visual.trunk
        h = trunk.forward_features(pixels)
        z: Tensor = visual.head(trunk.forward_head(h))
        return z, trunk.head.fc(h.flatten(2).transpose(1, 2))


def cells_of(visual: Any) -> Cells:
    """Return what runs a tower with its cells.

    Args:
        visual: The tower; a ViT of open_clip is made to give its tokens from now on.
    """
    if block_count(visual):
        visual.output_tokens = True
        return _Tokens()
    if is_staged(visual):
        return _Stages(visual.attnpool)
    return _Means() if _pools_by_mean(visual) else Cells()


def _pools_by_mean(visual: Any) -> bool:
    """Return whether a timm tower ends in mean, linear layer and nothing else."""
    head = getattr(getattr(visual, "trunk", None), "head", None)
    pool = getattr(getattr(head, "global_pool", None), "pool_type", None)
    is_plain = isinstance(getattr(head, "fc", None), nn.Linear)
    return pool == "avg" and is_plain and not list(visual.head.parameters())
