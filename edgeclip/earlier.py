"""An earlier pack as the ground of a further training: its adapters stay as they are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgeclip.adapters.changed_encoder import changed_encoder
from edgeclip.adapters.component import Frozen
from edgeclip.adapters.composing import frozen_parts
from edgeclip.contract.pack import PackManifest
from edgeclip.errors import ConfigError
from edgeclip.pack_parts import read_parts
from edgeclip.packs import check_golden, load_pack
from edgeclip.wordless import worded

if TYPE_CHECKING:
    from edgeclip.clip import Backbone


@dataclass(frozen=True)
class Earlier:
    """What a training stands on.

    Attributes:
        parts: Adapters of the earlier pack; none without a pack.
        changed: The encoder with the changes that the pack makes to its weights, or None.
        manifest: Of the earlier pack, or None.
    """

    parts: tuple[Frozen, ...] = ()
    changed: Backbone | None = None
    manifest: PackManifest | None = None


def read_earlier(folder: Path | None, backbone: Backbone, prompts_sha256: str) -> Earlier:
    """Return the adapters of a pack, to train others beside them.

    Args:
        folder: The earlier pack, or None.
        backbone: The encoder of the training.
        prompts_sha256: Of its classes and prompts, in order.

    Raises:
        ConfigError: The pack has other classes or prompts, or slots inside the encoder.
        PackError: It is damaged, for another encoder, or does not say what its adapters are.
    """
    if folder is None:
        return Earlier()
    pack = load_pack(folder)
    check_golden(pack, backbone)
    if pack.manifest.prompts_sha256 != prompts_sha256:
        raise ConfigError(
            f"--on {folder} has other classes or prompts than this training:"
            f" it knows {', '.join(pack.manifest.class_names)}; give the same --class and --prompt"
        )
    if pack.manifest.graph != "head":
        raise ConfigError(
            f"--on {folder} has adapters inside the encoder ({pack.manifest.method}): train them"
            " together with the others, by one --method"
        )
    start, stored = read_parts(folder, pack.manifest, pack.tensors)
    parts = frozen_parts(worded(start, stored, pack.manifest, backbone))
    is_changed = pack.manifest.is_bake_only
    changed = changed_encoder(backbone, pack.tensors)[0] if is_changed else None
    return Earlier(tuple(parts), changed, pack.manifest)
