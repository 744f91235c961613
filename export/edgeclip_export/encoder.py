"""The frozen encoder that a pack was trained on, found again and proved to be the same."""

from __future__ import annotations

from edgeclip.clip import Backbone, load_backbone
from edgeclip.contract.pack import PackManifest
from edgeclip.errors import ConfigError, PackError, SetupError
from edgeclip_export.config import BundleConfig


def load_encoder(pack: PackManifest, config: BundleConfig) -> Backbone:
    """Return the pack's encoder.

    Args:
        pack: Names the encoder and the hash of its weights.
        config: May name it anew: a checkpoint file has another path on another machine.

    Raises:
        ConfigError: The pack's encoder is not known here by its name.
        SetupError: Its weights are not here, or do not fit.
        PackError: It was found, but the pack was trained on another.
    """
    base = pack.base
    name = config.backbone or base.arch
    named_anew = config.backbone is not None or config.pretrained is not None
    try:
        backbone = load_backbone(name, config.pretrained or base.pretrained)
    except (ConfigError, SetupError) as error:
        if named_anew:
            raise
        raise type(error)(
            f"the pack's encoder {base.arch} with weights {base.pretrained} was not found here:"
            f" name it with --backbone NAME|FILE.json --pretrained TAG|FILE ({error})"
        ) from error
    _require_same(pack, backbone)
    return backbone


def _require_same(pack: PackManifest, backbone: Backbone) -> None:
    """Compare what decides the outputs; names may differ, as those of checkpoint files do."""
    for field in ("weights_sha256", "activation", "width", "embed_dim", "image_size"):
        wanted, found = getattr(pack.base, field), getattr(backbone.base, field)
        if wanted != found:
            raise PackError(
                f"the pack was trained on another encoder: its {field} is {wanted}, that of"
                f" {backbone.base.arch} with {backbone.base.pretrained} is {found}: name the right"
                " one with --backbone and --pretrained"
            )
    for field in ("version", "mean", "std", "size"):
        if getattr(pack.preprocess, field) != getattr(backbone.preprocess, field):
            raise PackError(
                f"the pack's preprocessing has another {field} than its encoder's: train it again"
            )
