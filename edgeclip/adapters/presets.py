"""Presets: sets of adapters with the number of parameters that they are known by."""

from __future__ import annotations

from dataclasses import dataclass

from edgeclip.adapters.block import BlockAdapters, BlockSettings
from edgeclip.adapters.block_cross_modal import CrossModalBlocks, CrossModalSettings
from edgeclip.adapters.class_head import ZeroShot
from edgeclip.adapters.component import Component
from edgeclip.adapters.pooling import ClassPooling, PoolingSettings
from edgeclip.adapters.text_tokens import TextTokens
from edgeclip.adapters.visual import VisualAdapter
from edgeclip.errors import ConfigError

MOST_PARAMETERS = 1_756_984
"""2 % of the image tower of a ViT-B/32."""

_RATIO = 0.2  # of the visual adapter while it learns


@dataclass(frozen=True)
class Preset:
    """Which adapters, and how large.

    Attributes:
        reduction: Of the visual adapter at the head: embedding width / hidden width.
        block: Of block adapters, or None.
        cross_modal: Of cross-modal blocks, or None.
        pooling: Of class-conditioned pooling, or None.
        views: Of each training region; None as usual. Encoding takes as many times as long.
    """

    reduction: int
    block: BlockSettings | None = None
    cross_modal: CrossModalSettings | None = None
    pooling: PoolingSettings | None = None
    views: int | None = None


PRESETS: dict[str, Preset] = {
    "tiny": Preset(reduction=16, pooling=PoolingSettings(attention=16)),
    "leopard": Preset(
        reduction=4,
        block=BlockSettings(last=8, hidden=16),
        cross_modal=CrossModalSettings(last=4, attention=32),
    ),
    "strong": Preset(
        reduction=4,
        block=BlockSettings(last=8, hidden=32),
        cross_modal=CrossModalSettings(last=4, attention=64),
        pooling=PoolingSettings(attention=32),
        views=10,
    ),
}
"""On a ViT-B/32: 65,537, 683,392 and 1,273,601 trained parameters."""


def preset_components(
    name: str, start: ZeroShot, text: TextTokens, *, width: int, blocks: int
) -> list[Component]:
    """Return a preset's components, fresh; the class matrix stays the prompts'.

    Args:
        name: Of `PRESETS`.
        start: The class matrix of the prompts.
        text: What cross-modal blocks attend to.
        width: D of the encoder.
        blocks: L of the encoder.

    Raises:
        ConfigError: There is no such preset, or the encoder has no blocks that adapters know.
    """
    if name not in PRESETS:
        raise ConfigError(f"preset {name!r} is not known: there are {', '.join(PRESETS)}")
    if not blocks:
        raise ConfigError(
            f"preset {name} reaches into transformer blocks, which this encoder does not have: use"
            " a method of the head, such as visual+head"
        )
    preset, embed_dim = PRESETS[name], start.weights.shape[0]
    reduction = min(preset.reduction, embed_dim)
    parts: list[Component] = [VisualAdapter(embed_dim, reduction=reduction, ratio=_RATIO)]
    if preset.block:
        parts.append(BlockAdapters(width, blocks, preset.block))
    if preset.cross_modal:
        parts.append(CrossModalBlocks(width, blocks, text, preset.cross_modal))
    if preset.pooling:
        parts.append(ClassPooling(start, preset.pooling))
    return parts


def preset_method(name: str) -> tuple[str, dict[str, int]]:
    """Return the method that a preset names, and what it changes in the recipe.

    Args:
        name: Of `PRESETS`.

    Raises:
        ConfigError: There is no such preset.
    """
    if name not in PRESETS:
        raise ConfigError(f"--preset {name} is not known: there are {', '.join(PRESETS)}")
    preset = PRESETS[name]
    kinds, changes = ["visual"], {"reduction": preset.reduction}
    if preset.block:
        kinds.append("block")
        changes |= {"blocks": preset.block.last, "block_hidden": preset.block.hidden}
    if preset.cross_modal:
        kinds.append("block_xmodal")
        changes["attention"] = preset.cross_modal.attention
    if preset.pooling:
        kinds.append("pooling")
        changes["pooling_attention"] = preset.pooling.attention
    if preset.views:
        changes["views"] = preset.views
    return "+".join(kinds), changes


def lowest_block(parts: list[Component], blocks: int) -> int:
    """Return the cut of a tower below all components: how many blocks need not be run again.

    Args:
        parts: Of one model.
        blocks: L of the encoder.
    """
    reach = [part.last for part in parts if isinstance(part, BlockAdapters | CrossModalBlocks)]
    # An adapter behind block l reads what block l gives: that block itself is run as well.
    return blocks - max(reach, default=0)
