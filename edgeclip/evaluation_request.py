"""What an evaluation is asked to measure, on what, and beside what."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgeclip.cache_store import LIMIT_GB
from edgeclip.labels.reading import ReadingOptions

BASELINE_NAMES = ("zero-shot", "linear-probe", "tip-adapter", "resnet50")


@dataclass(frozen=True)
class EvaluationRequest:
    """What to measure on what.

    Attributes:
        pack: The pack's folder.
        reading: The labelled images; `classes` empty where labels are the pack's class names.
        backbone: The encoder's name here, or None for the pack's name for it.
        pretrained: Its weights, likewise.
        split: A split's table, or None for the pack's own.
        allow_random_split: Take a split in which places both teach and test.
        report: The folder to write, or None.
        overwrite: Replace an older report.
        baselines: What to hold the pack against.
        background_check: Paint the animals over and look again.
        strip_top_px: Rows of burned-in text; None for as many as the pack was trained without.
        strip_bottom_px: The same at the bottom.
        cache: Where features are kept, or None.
        cache_gb: Its limit, in 10^9 bytes.
        resnet_weights: For the ResNet-50, or None for torch's cache.
        device: For the ResNet-50.
        seed: For the ResNet-50.
    """

    pack: Path
    reading: ReadingOptions
    backbone: str | None = None
    pretrained: str | None = None
    split: Path | None = None
    allow_random_split: bool = False
    report: Path | None = None
    overwrite: bool = False
    baselines: tuple[str, ...] = ()
    background_check: bool = False
    strip_top_px: int | None = None
    strip_bottom_px: int | None = None
    cache: Path | None = None
    cache_gb: float = LIMIT_GB
    resnet_weights: Path | None = None
    device: str = "cpu"
    seed: int = 1
