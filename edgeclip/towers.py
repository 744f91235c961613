"""The frozen image tower: split at its projection, and cut in two where adapters reach into it.

Which towers these are says `tower_kinds`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from edgeclip.tower_kinds import STAGES, is_staged, require_blocks, require_stages


class FrozenTower(nn.Module):
    """An image tower split at its projection: `z` before, `f = z @ projection` after.

    A tower without a projection matrix of its own (a CNN) gets the identity, so D = E.
    """

    def __init__(self, visual: Any, embed_dim: int) -> None:
        super().__init__()
        projection = getattr(visual, "proj", None)
        if isinstance(projection, nn.Parameter):
            visual.proj = None
            matrix = projection.detach().clone()
        else:
            matrix = torch.eye(embed_dim)
        self.visual = visual
        self.projection = nn.Parameter(matrix, requires_grad=False)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Return z `(B, D)` and f `(B, E)` of normalised pixels `(B, 3, S, S)`."""
        z = self.visual(pixels)
        return z, z @ self.projection


class TowerOutputs(NamedTuple):
    """What the upper part of a tower gives for B images.

    Attributes:
        z: `(B, D)` before the projection.
        f: `(B, E)`, z P, not normalised.
        patches: `(B, N - 1, E)` patch tokens after the last norm and P, not normalised.
    """

    z: Tensor
    f: Tensor
    patches: Tensor


class LowerTower(nn.Module):
    """Pixels -> tokens after the first `cut` blocks, sharing the tower's own modules.

    Args:
        visual: A tower that `require_blocks` accepts.
        cut: How many blocks belong to this part.
    """

    def __init__(self, visual: Any, cut: int) -> None:
        super().__init__()
        self.conv1, self.ln_pre = visual.conv1, visual.ln_pre
        self.class_embedding = visual.class_embedding
        self.positional_embedding = visual.positional_embedding
        self.patch_dropout = visual.patch_dropout  # the identity in evaluation
        self.blocks = nn.ModuleList(list(visual.transformer.resblocks)[:cut])

    def forward(self, pixels: Tensor) -> Tensor:
        """Return tokens `(B, N, D)` of normalised pixels `(B, 3, S, S)`, the class token first."""
        x: Tensor = self.conv1(pixels).flatten(2).permute(0, 2, 1)
        first = self.class_embedding.view(1, 1, -1).expand(x.shape[0], -1, -1)
        x = torch.cat([first.to(x.dtype), x], dim=1) + self.positional_embedding.to(x.dtype)
        x = self.ln_pre(self.patch_dropout(x))
        for block in self.blocks:
            x = block(x)
        return x


class LowerStages(nn.Module):
    """Pixels -> activations after the first `cut` stages of a ResNet, sharing its own modules.

    Args:
        visual: A tower that `require_stages` accepts.
        cut: 0 to 4; 0 is the stem alone.
    """

    def __init__(self, visual: Any, cut: int) -> None:
        super().__init__()
        self.visual, self._stages = visual, STAGES[:cut]

    def forward(self, pixels: Tensor) -> Tensor:
        """Return activations `(B, C, H, W)` of normalised pixels `(B, 3, S, S)`."""
        x: Tensor = self.visual.stem(pixels)
        for stage in self._stages:
            x = getattr(self.visual, stage)(x)
        return x


class UpperStages(nn.Module):
    """Activations after `cut` stages of a ResNet -> features, sharing the tower's own modules.

    Args:
        visual: A tower that `require_stages` accepts.
        projection: P, `(D, E)`.
        cut: 0 to 4.
    """

    def __init__(self, visual: Any, projection: nn.Parameter, cut: int) -> None:
        super().__init__()
        self.visual, self.projection, self._stages = visual, projection, STAGES[cut:]

    def forward(self, h: Tensor) -> tuple[Tensor, Tensor]:
        """Return z `(B, D)` and f `(B, E)` of activations `(B, C, H, W)`."""
        for stage in self._stages:
            h = getattr(self.visual, stage)(h)
        z: Tensor = self.visual.attnpool(h)
        return z, z @ self.projection


class UpperTower(nn.Module):
    """Tokens after `cut` blocks -> features, sharing the tower's own modules.

    Args:
        visual: A tower that `require_blocks` accepts.
        projection: P, `(D, E)`.
        cut: How many blocks lie below.

    Attributes:
        blocks: Those of this part.
        total_blocks: L, of the whole tower.
        projection: P.
    """

    def __init__(self, visual: Any, projection: nn.Parameter, cut: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(list(visual.transformer.resblocks)[cut:])
        self.total_blocks = len(visual.transformer.resblocks)
        self.ln_post, self.projection = visual.ln_post, projection
        self._by_mean = visual.pool_type == "avg"
        self._norm_after_pool = bool(visual.final_ln_after_pool)

    @property
    def cut(self) -> int:
        """How many blocks lie below."""
        return self.total_blocks - len(self.blocks)

    def forward(self, tokens: Tensor) -> TowerOutputs:
        """Return the outputs of tokens `(B, N, D)` that `LowerTower` gave."""
        for block in self.blocks:
            tokens = block(tokens)
        return self.pool(tokens)

    def pool(self, tokens: Tensor) -> TowerOutputs:
        """Return the outputs of the last block's tokens `(B, N, D)`."""
        normed = self.ln_post(tokens)
        z = self.ln_post(self._pooled(tokens)) if self._norm_after_pool else self._pooled(normed)
        # The tower may run in half precision, its projection and what follows never do.
        z, patches = (x.to(self.projection.dtype) for x in (z, normed[:, 1:]))
        return TowerOutputs(z, z @ self.projection, patches @ self.projection)

    def _pooled(self, tokens: Tensor) -> Tensor:
        return tokens[:, 1:].mean(dim=1) if self._by_mean else tokens[:, 0]


Lower = LowerTower | LowerStages | nn.Identity
Upper = UpperTower | UpperStages | FrozenTower


def split_at(tower: FrozenTower, cut: int | None) -> tuple[Lower, Upper]:
    """Return a tower in two parts, of whichever kind it is.

    Args:
        tower: Frozen.
        cut: Blocks of the lower part, of a ResNet stages; None leaves the whole tower above the
            pixels.

    Raises:
        ConfigError: There is a cut, and the tower is not known.
        ValueError: `cut` is out of range.
    """
    if cut is None:
        return nn.Identity(), tower
    split = split_stages if is_staged(tower.visual) else split_tower
    return split(tower.visual, tower.projection, cut)


def features_above(upper: Upper, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """Return z `(B, D)` and f `(B, E)` as `embed_images` gives them, float32 on the CPU.

    Args:
        upper: Of a tower.
        tokens: What its lower part gave.
    """
    with torch.inference_mode():
        z, f = upper(tokens.to(upper.projection.device))[:2]
    return z.float().cpu().clone(), f.float().cpu().clone()


def split_stages(
    visual: Any, projection: nn.Parameter, cut: int
) -> tuple[LowerStages, UpperStages]:
    """Return the two parts of a ResNet tower; one after the other they are the tower.

    Args:
        visual: The image tower.
        projection: P, `(D, E)`.
        cut: Stages of the lower part, 0 (the stem alone) to 4.

    Raises:
        ConfigError: The tower is no ResNet.
        ValueError: `cut` is out of range.
    """
    require_stages(visual)
    if not 0 <= cut <= len(STAGES):
        raise ValueError(f"cut {cut} is not in 0..{len(STAGES)}")
    return LowerStages(visual, cut).eval(), UpperStages(visual, projection, cut).eval()


def split_tower(visual: Any, projection: nn.Parameter, cut: int) -> tuple[LowerTower, UpperTower]:
    """Return the two parts of a tower; one after the other they are the tower.

    Args:
        visual: The image tower, its own projection taken off.
        projection: P, `(D, E)`.
        cut: Blocks of the lower part, 0 to L.

    Raises:
        ConfigError: The tower is not known.
        ValueError: `cut` is out of range.
    """
    require_blocks(visual)
    blocks = len(visual.transformer.resblocks)
    if not 0 <= cut <= blocks:
        raise ValueError(f"cut {cut} is not in 0..{blocks}")
    lower, upper = LowerTower(visual, cut), UpperTower(visual, projection, cut)
    return lower.eval(), upper.eval()
