"""The baselines of `edgeclip evaluate`, on the split and the views that the pack had."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from edgeclip.adapters.class_head import ZeroShot
from edgeclip.baselines.cnn import resnet50
from edgeclip.baselines.finetune import FineTuning, finetune
from edgeclip.baselines.frozen import linear_probe_in_rounds, zero_shot
from edgeclip.baselines.judging import Task
from edgeclip.baselines.pixels import PixelPart, PixelSplit, read_pixels
from edgeclip.baselines.tip_adapter import tip_adapter
from edgeclip.clip import Backbone
from edgeclip.contenders import Contender
from edgeclip.contract.pack import PackManifest
from edgeclip.devices import device_for
from edgeclip.errors import ConfigError, DataError
from edgeclip.folds import Folds, plan_folds
from edgeclip.parts import PartData
from edgeclip.peak_memory import forget_peak, peak_memory_mb
from edgeclip.progress import Bars
from edgeclip.regions import Strips


@dataclass(frozen=True)
class BaselineParts:
    """What baselines learn from, choose by, and are judged on.

    Attributes:
        taught: Training and validation images, all views.
        set_apart: Indices of the validation images.
        test: One view; the images of the comparison.
        folds: Rounds of the pack at the most.
    """

    taught: PartData
    set_apart: frozenset[int]
    test: PartData
    folds: int

    @property
    def training(self) -> PartData:
        """All views of the training images."""
        rows = [n for n, r in enumerate(self.taught.regions) if r.image not in self.set_apart]
        return self.taught.chosen(np.asarray(rows, np.int64))

    @property
    def validation(self) -> PartData:
        """One view of the images that were set apart."""
        regions = self.taught.regions
        rows = [n for n, r in enumerate(regions) if r.image in self.set_apart and not r.view]
        return self.taught.chosen(np.asarray(rows, np.int64))

    def rounds(self, targets: Sequence[int]) -> Folds:
        """Return the rounds that a pack would be chosen by, trained on the same images.

        Raises:
            DataError: A target stands in one sequence alone.
        """
        return plan_folds(self.taught, targets, sorted(self.set_apart), self.folds)


@dataclass(frozen=True)
class BaselineRun:
    """All that a baseline may need.

    Attributes:
        manifest: Of the pack that it is held against.
        backbone: The pack's encoder.
        parts: Features of the images.
        strips: Rows to cut.
        resnet_weights: A file or folder, or None for torch's cache.
        device: Of the CNN.
        seed: Of the CNN.
        bars: Progress.
        features_s: Seconds that the features of `parts.taught` took, computed or from the cache;
            a part of what a baseline on them took.
    """

    manifest: PackManifest
    backbone: Backbone
    parts: BaselineParts
    strips: Strips
    resnet_weights: Path | None
    device: str
    seed: int
    bars: Bars
    features_s: float = 0.0

    @property
    def task(self) -> Task:
        """Classes and targets, a column a class."""
        return Task(self.manifest.class_names, self.manifest.targets)


def run_baselines(names: Sequence[str], run: BaselineRun) -> list[Contender]:
    """Return the named baselines as contenders, in the given order.

    Raises:
        ConfigError: There is no such baseline.
        DataError: Training or validation lacks a target, or anything else.
        SetupError: Weights or device are not on this machine.
    """
    check_baselines(names)
    for part, kind in ((run.parts.training, "training"), (run.parts.validation, "validation")):
        _check_part(part, kind, run.manifest.targets)
    return [_watched(BASELINES[name], run) for name in names]


def _watched(make: Callable[[BaselineRun], Contender], run: BaselineRun) -> Contender:
    """Return a contender with the most memory that was held while it was made."""
    is_known = forget_peak()
    found = make(run)
    return replace(found, peak_memory_mb=peak_memory_mb() if is_known else float("nan"))


def check_baselines(names: Sequence[str], device: str = "cpu") -> None:
    """Check the names, and that what they need of the machine is there.

    Raises:
        ConfigError: There is no such baseline, or device.
        SetupError: The device is not on this machine.
    """
    if unknown := [name for name in names if name not in BASELINES]:
        raise ConfigError(f"--baseline {unknown[0]} is not known: use {', '.join(BASELINES)}")
    if "resnet50" in names:
        device_for(device)


def prompts_of(manifest: PackManifest) -> dict[str, list[list[str]]]:
    """Return the prompts that a pack was made with, by class and column.

    Raises:
        DataError: The pack does not say which prompts make which column.
    """
    columns = manifest.prompt_columns
    if columns is None:
        raise DataError(
            "the pack does not say which prompts make which column: leave --baseline zero-shot"
            " and tip-adapter out, or train the pack again"
        )
    return columns


def _prompted(run: BaselineRun) -> tuple[ZeroShot, Task]:
    """Return the class matrix of the pack's prompts, and the task with its columns."""
    prompts = prompts_of(run.manifest)
    columns = [column for own in prompts.values() for column in own]
    own = [index for index, item in enumerate(prompts.values()) for _ in item]
    start = ZeroShot.of(run.backbone.embed_prompts(columns), own, run.backbone.logit_scale)
    return start, replace(run.task, column_class=own)


def _zero_shot(run: BaselineRun) -> Contender:
    began = time.perf_counter()
    start, task = _prompted(run)
    held = run.parts.taught.chosen(run.parts.rounds(task.target_indices).held)
    found = zero_shot(start, held, run.parts.test, task)
    return replace(found, seconds=run.features_s + time.perf_counter() - began)


def _linear_probe(run: BaselineRun) -> Contender:
    folds = run.parts.rounds(run.task.target_indices)
    found = linear_probe_in_rounds(run.parts.taught, folds, run.parts.test, run.task)
    return replace(found, seconds=run.features_s + found.seconds)


def _tip_adapter(run: BaselineRun) -> Contender:
    began = time.perf_counter()
    start, task = _prompted(run)
    folds = run.parts.rounds(task.target_indices)
    found = tip_adapter(start, run.parts.taught, folds, run.parts.test, task)
    return replace(found, seconds=run.features_s + time.perf_counter() - began)


def _resnet50(run: BaselineRun) -> Contender:
    began = time.perf_counter()
    cnn = resnet50(run.manifest.base.image_size, run.resnet_weights)

    def pixels(part: PartData, name: str) -> PixelPart:
        """Return the regions of a part as the network sees them."""
        return read_pixels(
            part.images,
            part.regions,
            class_names=part.class_names,
            size=cnn.size,
            strips=run.strips,
            advance=run.bars.add(f"ResNet-50: {name}", len(part.regions)),
        )

    parts = PixelSplit(
        pixels(run.parts.taught, "training, validation"),
        run.parts.set_apart,
        pixels(run.parts.test, "test"),
    )
    options = FineTuning(seed=run.seed, device=device_for(run.device).type)
    advance = run.bars.add("ResNet-50: steps", options.steps_in_all)
    contender = finetune(cnn, parts, task=run.task, options=options, advance=advance)
    note = f"{contender.note}; temperature and thresholds from the validation part alone"
    return replace(contender, seconds=time.perf_counter() - began, note=note)


BASELINES: dict[str, Callable[[BaselineRun], Contender]] = {
    "zero-shot": _zero_shot,
    "linear-probe": _linear_probe,
    "tip-adapter": _tip_adapter,
    "resnet50": _resnet50,
}


def _check_part(part: PartData, kind: str, targets: Sequence[str]) -> None:
    held = {part.images[region.image].class_name for region in part.regions}
    missing = sorted(set(targets) - held)
    if missing or not held - set(targets):
        lacks = missing[0] if missing else "anything but targets"
        raise DataError(
            f"baselines learn, and choose their thresholds, on {kind} images, of which these lack"
            f" {lacks}: give the data that the pack was trained on, with its split"
        )
