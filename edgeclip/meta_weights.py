"""The weights that `--method meta` predicts with: carried with the demo backbone, else named."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgeclip.clip import DEMO, DEMO_FOLDER
from edgeclip.errors import ConfigError
from edgeclip.kinds import AUTO, META, kinds_of

if TYPE_CHECKING:
    from edgeclip.adapters.meta import MetaWeights
    from edgeclip.contract.pack import Base

CARRIED = DEMO_FOLDER / "meta.safetensors"


def meta_weights_for(method: str, given: Path | None, encoder: Base) -> MetaWeights | None:
    """Return the weights of a training, or None where its method needs none.

    Args:
        method: As `--method` has it.
        given: As `--meta-weights` has it.
        encoder: Frozen.

    Raises:
        ConfigError: The method needs weights and there are none, or needs none and some are given.
        PackError: The weights are missing, damaged, or for another encoder.
    """
    if method == AUTO or META not in kinds_of(method):
        if given:
            raise ConfigError(f"--meta-weights {given} is for --method {META}, not for {method}")
        return None
    if given is None and encoder.arch != DEMO:
        raise ConfigError(
            f"--method {META} needs weights for {encoder.arch}, and none are carried: train them on"
            " other species by scripts/train_meta.py, and name the file by --meta-weights"
        )
    from edgeclip.adapters.meta_files import read_meta

    return read_meta(given or CARRIED, encoder_sha256=encoder.weights_sha256)
