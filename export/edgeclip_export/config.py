"""What the exporter is asked to do: one frozen object a command."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edgeclip.contract.engine_key import Precision
from edgeclip_export.board import Board


@dataclass(frozen=True)
class BundleConfig:
    """How a bundle is made.

    Attributes:
        pack: The adapter pack's folder, or that of a set of packs.
        out: The bundle's folder, to be made.
        backbone: Name or configuration file of the encoder; None takes the pack's.
        pretrained: open_clip's tag or a checkpoint file; None takes the pack's.
        overwrite: Replace a bundle that lies at `out`.
        max_batch: Images that an engine takes in one call, 2 to 64.
        bake: Put the pack into the graphs, as constants.
        verify_images: Folder of real frames that are compared as well; None for none.
    """

    pack: Path
    out: Path
    backbone: str | None = None
    pretrained: str | None = None
    overwrite: bool = False
    max_batch: int = 4
    bake: bool = False
    verify_images: Path | None = None


@dataclass(frozen=True)
class EngineConfig:
    """What is asked of `edgeclip-export engine`.

    Attributes:
        precision: A rung of the ladder; `auto` takes the first that computes what it must.
        workspace_mb: Scratch memory for the builder's kernels, MiB; None goes by the board.
        fast: A quicker build of a slower engine.
        rebuild: Build even where a fitting engine lies ready.
        preflight: Refuse to begin where memory or disk will not do.
    """

    precision: Precision | Literal["auto"] = "auto"
    workspace_mb: int | None = None
    fast: bool = False
    rebuild: bool = False
    preflight: bool = True


@dataclass(frozen=True)
class BenchmarkConfig:
    """What is measured.

    Attributes:
        bundle: The folder.
        batches: Images a call, one or more sizes.
        rounds: Calls of each variant and size.
        threads: Of one operator; 0 leaves it to each library.
        compare: Whether torch and plain ONNX Runtime run beside it.
        compiled: Whether `torch.compile` does too, which compiles for minutes on a CPU.
        backbone: The encoder, where the bundle's name for it is not known here.
        pretrained: Its weights.
        backend: `ort`, `trt` or `rtx`; None for every one that is here.
    """

    bundle: Path
    batches: Sequence[int] = (1, 4)
    rounds: int = 50
    threads: int = 0
    compare: bool = True
    compiled: bool = True
    backbone: str | None = None
    pretrained: str | None = None
    backend: str | None = None


_SMALL_WORKSPACE_MB = 512  # larger ones were reported to end out of memory on 4 to 8 GB
_WORKSPACE_MB = 1024
_LEVEL = 3  # TensorRT's own; 5 was reported to take over an hour
_FAST_LEVEL = 1


@dataclass(frozen=True)
class BuilderSettings:
    """What the builder is told.

    Attributes:
        workspace_mb: Scratch memory for its kernels, MiB.
        optimisation_level: 0 builds fast, 5 searches for an hour.
        max_aux_streams: Streams beside the main one, each with memory of its own; None leaves
            their number to TensorRT.
    """

    workspace_mb: int = _SMALL_WORKSPACE_MB
    optimisation_level: int = _LEVEL
    max_aux_streams: int | None = 0

    @staticmethod
    def for_board(config: EngineConfig, board: Board) -> BuilderSettings:
        """Return what a board can bear, with the options over it."""
        usual = _SMALL_WORKSPACE_MB if board.is_small else _WORKSPACE_MB
        return BuilderSettings(
            workspace_mb=config.workspace_mb or usual,
            optimisation_level=_FAST_LEVEL if config.fast else _LEVEL,
            max_aux_streams=0 if board.is_small else None,
        )
