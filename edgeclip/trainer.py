"""The whole of `edgeclip train`: labels in, a pack with its report out.

In this order, so that nothing of the test part can reach a choice: encode training and validation
images; fit in rounds that leave places out, and choose method, share, temperature and thresholds on
what was left out; fit to all of them; then encode the test part and evaluate once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from edgeclip.attributes.asked import read_asked
from edgeclip.attributes.making import Made, label_columns
from edgeclip.clip import known_backbone
from edgeclip.config import TrainConfig
from edgeclip.contract.attributes import AskedGroup
from edgeclip.contract.files import refuse_filled
from edgeclip.contract.pack import PACK_FILE, PackManifest
from edgeclip.errors import ConfigError
from edgeclip.evaluation.comparison import Comparison
from edgeclip.evaluation.result import Evaluation
from edgeclip.kinds import tried_by
from edgeclip.labels.classes import require_two_classes
from edgeclip.labels.dataset import Dataset
from edgeclip.labels.sequence_labels import for_learning
from edgeclip.learning import Learned
from edgeclip.opening import open_dataset
from edgeclip.openings import Opening, looks_in
from edgeclip.pack_making import make_manifest, pack_binaries
from edgeclip.packs import write_pack
from edgeclip.progress import Bars
from edgeclip.recipe_file import RECIPE_FILE, recipe_text
from edgeclip.report import report_files
from edgeclip.report_data import Origin
from edgeclip.run_costs import COSTS_FILE, RunCosts
from edgeclip.run_folder import RunFolder, RunId, Taken, open_run
from edgeclip.run_lock import only_training
from edgeclip.split_file import read_split
from edgeclip.split_groups import location_groups, sequence_groups
from edgeclip.splits import Split, plan_split, targets_of
from edgeclip.summary import DataSummary, summary_of
from edgeclip.taught import Stated
from edgeclip.taught_by import taught_by
from edgeclip.training_report import training_report
from edgeclip.training_run import TrainingRun
from edgeclip.unlabelled import unlabelled_frames


@dataclass(frozen=True)
class TrainResult:
    """What a training gave.

    Attributes:
        manifest: Of the written pack.
        comparison: `adapter` and `zero-shot` on the test images, at new and at known places.
        summary: Of the data.
        notes: What must be read first.
        learned: Method and ladder.
        costs: Seconds and memory.
        cache_hits: Regions whose features were known.
        cache_misses: Regions that were encoded.
        taken: What was taken over from an interrupted run; None where there was none.
    """

    manifest: PackManifest
    comparison: Comparison
    summary: DataSummary
    notes: tuple[str, ...]
    learned: Learned
    costs: RunCosts
    cache_hits: int
    cache_misses: int
    taken: Taken | None = None

    @property
    def evaluations(self) -> dict[str, Evaluation]:
        """The figures of the images that count most: those of new places, where there are any."""
        return {name: j.frames for name, j in self.comparison.headline.judgements.items()}


def train(
    config: TrainConfig,
    *,
    created_at: datetime,
    bars: Bars,
    clock: Callable[[], float] = time.monotonic,
) -> TrainResult:
    """Train an adapter and write its pack.

    Args:
        config: All of the run.
        created_at: Aware UTC; stands in the pack.
        bars: Progress.
        clock: Seconds, never going back; says when the state of a fit is written.

    Raises:
        ConfigError: A class, target, backbone or output folder is wrong.
        DataError: The images do not suffice.
        GateError: No threshold reaches the asked precision.
        SetupError: The backbone's weights are not at hand, the folder of the pack cannot be
            written, or another process trains the same pack.
    """
    began = time.monotonic()
    with only_training(config.out):
        _refuse_to_replace(config)  # before minutes of work
        groups = read_asked(config.attributes) if config.attributes else []
        config = config.model_copy(update={"columns": label_columns(groups)})
        tried_by(config.method)
        looks = looks_in(folder for folder in (config.on, config.out) if folder)
        known_backbone(config.backbone, config.pretrained)  # before thousands of files are opened
        dataset = for_learning(open_dataset(config, bars, config.targets))
        require_two_classes(dataset.class_names)
        targets, split = _split(config, dataset)
        start = _Start(began, created_at, tuple(looks))
        with unlabelled_frames(config, dataset.images, split, bars) as frames:
            split = frames.taught_beside(split) if frames else split
            origin = Origin(summary_of(dataset, targets, split), split, dataset.images)
            run = TrainingRun(config, dataset, split, targets, bars, frames)
            content = frames.sha256 if frames else ""
            own = RunId.of(config, dataset, split, run.backbone.base, content)
            kept = open_run(config, own, clock=clock)
            with kept.kept_if_useful():
                result = _written(run, kept, origin, start, groups)
        kept.remove()
    return result


@dataclass(frozen=True)
class _Start:
    """What is known when a training begins: the monotonic clock, the date, and earlier looks."""

    at_s: float
    created_at: datetime
    looks: tuple[Opening, ...]


def _written(
    run: TrainingRun,
    kept: RunFolder,
    origin: Origin,
    start: _Start,
    groups: Sequence[AskedGroup],
) -> TrainResult:
    """Train and write the pack."""
    trained, comparison = run.train(kept)
    manifest = make_manifest(trained, start.created_at)
    opening = Opening.of(comparison.judged.images, "train", start.created_at)
    report = training_report(trained, manifest, comparison, [*start.looks, opening], origin)
    binaries, page = pack_binaries(trained, run.backbone, run.strips), report_files(report)
    made = run.attributes(groups, manifest)
    costs = trained.costs.of_run(time.monotonic() - start.at_s)
    written = write_pack(
        trained.config.out,
        manifest,
        binaries | (made.files if made else {}),
        report={**page, RECIPE_FILE: recipe_text(trained.config), COSTS_FILE: costs.to_json()},
        overwrite=trained.config.overwrite,
    )
    return TrainResult(
        manifest=written,
        comparison=comparison,
        summary=origin.summary,
        notes=(*report.notes, *_said(groups, made)),
        learned=trained.learned,
        costs=costs,
        cache_hits=run.cache.hits,
        cache_misses=run.cache.misses,
        taken=kept.taken if kept.resumed else None,
    )


def _said(groups: Sequence[AskedGroup], made: Made | None) -> tuple[str, ...]:
    """Return what is to be known of the attributes."""
    if groups and made is None:
        return ("the pack has no attributes: its method changes the encoder that answers them",)
    return tuple(f"attribute {note}" for note in made.notes) if made else ()


def _split(config: TrainConfig, dataset: Dataset) -> tuple[tuple[str, ...], Split]:
    """Return the targets, and the split that was given or is made: never tests what taught."""
    images, names, asked = dataset.images, dataset.class_names, config.targets
    taught = taught_by(config.on)
    if config.split is None:
        seed = config.recipe.seed
        insisted = bool(config.use_split)
        targets, split = plan_split(
            images, names, asked, seed=seed, taught=taught, insisted=insisted
        )
    else:
        split = read_split(config.split, images, allow_shared_places=config.allow_random_split)
        said = taught.refuse_tested(
            images,
            split.parts,
            sequence_groups(images, location_groups(images)),
            stated=Stated(
                str(config.split),
                insisted=config.allow_random_split,
                decline="leave --split out",
                insist="--allow-random-split",
            ),
        )
        split = replace(split, warnings=tuple(dict.fromkeys((*said, *split.warnings))))
        targets = targets_of(images, split.parts, names, asked)
    warnings = (*taught.warnings(images, split.parts), *split.warnings)
    return targets, replace(split, warnings=warnings, before=taught)


def _refuse_to_replace(config: TrainConfig) -> None:
    """`--overwrite` replaces a pack, never that of `--on`, nor a folder with something else."""
    if config.on and config.out.resolve() == config.on.resolve():
        raise ConfigError(
            f"--out {config.out} is the pack of --on, of which the new one keeps what it learned"
            " from out of the test: choose another folder"
        )
    refuse_filled(config.out, overwrite=config.overwrite, marker=PACK_FILE)
    data = config.data.resolve()
    if config.out.resolve() in [data, *data.parents]:
        raise ConfigError(f"--out {config.out} holds the labelled images: choose another folder")
