"""Which image towers adapters reach into.

They are recognised by their attributes: open_clip's `VisionTransformer` with a class token, pooled
by that token or by the mean of the patches, and `ModifiedResNet` with its four stages.
"""

from __future__ import annotations

from typing import Any

from torch import nn

from edgeclip.errors import ConfigError

STAGES = ("layer1", "layer2", "layer3", "layer4")
_VIT_PARTS = ("conv1", "class_embedding", "positional_embedding", "ln_pre", "ln_post", "pool_type")


def block_count(visual: Any) -> int:
    """Return L, how many blocks adapters can reach into; 0 for towers that are not known."""
    return 0 if _unknown(visual) else len(visual.transformer.resblocks)


def require_blocks(visual: Any) -> None:
    """Check that block adapters know a tower.

    Raises:
        ConfigError: They do not; the message says what can be used instead.
    """
    if is_staged(visual):
        raise ConfigError(
            "the image tower is a ResNet and has no transformer blocks: use the stage adapters"
            " (stages), or an adapter of the head"
        )
    if reason := _unknown(visual):
        raise ConfigError(
            f"block adapters do not know the image tower {type(visual).__name__} ({reason}): use"
            " an adapter of the head, such as visual, or a ViT backbone of open_clip"
        )


def is_staged(visual: Any) -> bool:
    """Return whether the tower is a ResNet of four stages and an attention pooling."""
    return all(hasattr(visual, name) for name in (*STAGES, "stem", "attnpool"))


def require_stages(visual: Any) -> None:
    """Check that stage adapters know a tower.

    Raises:
        ConfigError: They do not.
    """
    if not is_staged(visual):
        raise ConfigError(
            f"stage adapters need a ResNet tower such as RN50, found {type(visual).__name__}: use"
            " the block adapters (block), or an adapter of the head"
        )


def _unknown(visual: Any) -> str:
    """Return why a tower is not known, or nothing."""
    transformer = getattr(visual, "transformer", None)
    if not isinstance(getattr(transformer, "resblocks", None), nn.ModuleList):
        return "it has no transformer.resblocks"
    if missing := [name for name in _VIT_PARTS if not hasattr(visual, name)]:
        return f"it has no {missing[0]}"
    if getattr(visual, "attn_pool", None) is not None:
        return "it pools by attention"
    if visual.pool_type not in ("tok", "avg"):
        return f"it pools by {visual.pool_type}"
    if not getattr(transformer, "batch_first", True):
        return "its blocks take the batch second"
    return ""
