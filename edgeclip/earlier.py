"""An earlier pack as the ground of a further training: its adapters stay as they are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgeclip.adapters.component import Frozen
from edgeclip.adapters.composing import frozen_parts
from edgeclip.errors import ConfigError
from edgeclip.pack_parts import read_parts
from edgeclip.packs import check_backbone, load_pack

if TYPE_CHECKING:
    from edgeclip.clip import Backbone


def earlier_parts(folder: Path | None, backbone: Backbone, prompts_sha256: str) -> list[Frozen]:
    """Return the adapters of a pack, to train others beside them; none without a pack.

    Args:
        folder: The earlier pack, or None.
        backbone: The encoder of the training.
        prompts_sha256: Of its classes and prompts, in order.

    Raises:
        ConfigError: The pack has other classes or prompts, or adapters inside the encoder.
        PackError: It is damaged, for another encoder, or does not say what its adapters are.
    """
    if folder is None:
        return []
    pack = load_pack(folder)
    check_backbone(pack.manifest, backbone)
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
    return frozen_parts(read_parts(folder, pack.manifest, pack.tensors)[1])
