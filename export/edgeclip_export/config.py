"""What the exporter is asked to do: one frozen object a command."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgeclip.contract.engine_key import Precision


@dataclass(frozen=True)
class BundleConfig:
    """How a bundle is made.

    Attributes:
        pack: The adapter pack's folder.
        out: The bundle's folder, to be made.
        backbone: Name or configuration file of the encoder; None takes the pack's.
        pretrained: open_clip's tag or a checkpoint file; None takes the pack's.
        overwrite: Replace a bundle that lies at `out`.
        max_batch: Images that an engine takes in one call, 1 to 64.
    """

    pack: Path
    out: Path
    backbone: str | None = None
    pretrained: str | None = None
    overwrite: bool = False
    max_batch: int = 4


@dataclass(frozen=True)
class EngineConfig:
    """How an engine is built.

    Attributes:
        precision: `fp16`: tower in half precision, head in single; `fp32`: all in single.
        workspace_mb: Scratch memory for the builder's tactics, MiB: 512 on an Orin Nano.
        optimisation_level: 0 to 5; 3 is TensorRT's default, 5 was reported to take over an hour.
        rebuild: Build even where a fitting engine lies ready.
    """

    precision: Precision = "fp16"
    workspace_mb: int = 512
    optimisation_level: int = 3
    rebuild: bool = False
