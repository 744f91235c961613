"""What an image tower sees in each cell of the image, before the projection.

A cell is a patch of a ViT, or a position of a convolutional tower's last feature map. It goes
through the value and output matrices of the last attention, as in MaskCLIP (Zhou et al., ECCV 2022,
arXiv 2112.01071): in a ViT of its last block, from where the residual stream is left out, and then
through the last norm; in a CLIP ResNet of the attention pooling. What a ViT's patch tokens become
in the end is no use: they are least like the class where the animal is. Where a tower pools by the
mean, a cell goes through the layer that follows. A tower that is none of these has one cell: the
whole image.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from edgeclip.tower_kinds import STAGES, block_count, is_staged, require_blocks

_LAST_LAYERS = ("classifier", "fc")  # of timm's EfficientNets and MobileNets, and of its ResNets

OutputsT = TypeVar("OutputsT")


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


class InnerCells(Cells):
    """Of a ViT of open_clip. Value and output matrix of its last block become one.

    Args:
        block: The tower's last, in single precision.
    """

    def __init__(self, block: Any) -> None:
        super().__init__()
        attention = block.attn
        width = attention.out_proj.weight.shape[1]
        value, bias = (x[2 * width :] for x in (attention.in_proj_weight, attention.in_proj_bias))
        self.linear = _joined(value, bias, attention.out_proj)

    def forward(self, visual: Any, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Return z and cells; see `Cells`."""
        return self.beside(visual, lambda: visual(pixels))

    def beside(self, visual: Any, run: Callable[[], OutputsT]) -> tuple[OutputsT, Tensor]:
        """Return what a run of the tower's blocks gives, and the cells `(B, N - 1, D)`.

        Args:
            visual: The tower.
            run: Runs it once, whatever it does between its blocks.
        """
        entered: list[Tensor] = []

        def note(_norm: nn.Module, _tokens: object, normed: Tensor) -> None:
            entered.append(normed)

        handle = visual.transformer.resblocks[-1].ln_1.register_forward_hook(note)
        try:
            outputs = run()
        finally:
            handle.remove()
        (normed,) = entered
        return outputs, visual.ln_post(self.linear(normed[:, 1:]))


class _Stages(Cells):
    """Of a ResNet of open_clip. Value and output matrix become one, a third of the work."""

    def __init__(self, pool: Any) -> None:
        super().__init__()
        self.linear = _joined(pool.v_proj.weight, pool.v_proj.bias, pool.c_proj)

    def forward(self, visual: Any, pixels: Tensor) -> tuple[Tensor, Tensor]:
        h = visual.stem(pixels)
        for stage in STAGES:
            h = getattr(visual, stage)(h)
        return visual.attnpool(h), self.linear(h.flatten(2).transpose(1, 2))


class _Means(Cells):
    """Of a convolutional tower of timm that takes the mean, then one linear layer."""

    def forward(self, visual: Any, pixels: Tensor) -> tuple[Tensor, Tensor]:
        trunk, linear = visual.trunk, _linear_behind_mean(visual)
        if linear is None:
            raise TypeError("the tower does not end in mean and linear layer: use `cells_of`")
        h = trunk.forward_features(pixels)
        z: Tensor = visual.head(trunk.forward_head(h))
        return z, linear(h.flatten(2).transpose(1, 2))


def cells_of(visual: Any) -> Cells:
    """Return what runs a tower with its cells.

    Args:
        visual: The tower, in single precision.
    """
    if block_count(visual):
        return inner_cells(visual)
    if is_staged(visual):
        return _Stages(visual.attnpool)
    return Cells() if _linear_behind_mean(visual) is None else _Means()


def inner_cells(visual: Any) -> InnerCells:
    """Return what reads the cells of a ViT beside its blocks.

    Args:
        visual: The tower, in single precision.

    Raises:
        ConfigError: Adapters do not know its blocks.
    """
    require_blocks(visual)
    return InnerCells(visual.transformer.resblocks[-1])


def _linear_behind_mean(visual: Any) -> nn.Linear | None:
    """Return the linear layer of a timm tower that ends in mean, that layer and nothing else."""
    trunk = getattr(visual, "trunk", None)
    if trunk is None or list(visual.head.parameters()):
        return None
    head = getattr(trunk, "head", None)
    ends = [
        (getattr(head, "global_pool", None), getattr(head, "fc", None)),
        *((getattr(trunk, "global_pool", None), getattr(trunk, n, None)) for n in _LAST_LAYERS),
    ]
    for pool, linear in ends:
        if getattr(pool, "pool_type", None) == "avg" and isinstance(linear, nn.Linear):
            return linear
    return None


def _joined(value: Tensor, bias: Tensor, out: nn.Linear) -> nn.Linear:
    """Return the linear layer that does what a value matrix and the output layer after it do."""
    weight = out.weight.double()
    joined = nn.Linear(value.shape[1], weight.shape[0])
    with torch.no_grad():
        joined.weight.copy_(weight @ value.double())
        joined.bias.copy_(weight @ bias.double() + out.bias.double())
    return joined.requires_grad_(False)
