"""The whole of `edgeclip train`: labels in, a pack with its report out.

In this order, so that nothing of the test part can reach a choice: encode training and validation
images; fit in rounds that leave places out, and choose method, share, temperature and thresholds on
what was left out; fit to all of them; then encode the test part and evaluate once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from edgeclip.adapters.class_head import ZeroShot
from edgeclip.clip import Backbone, hash_weights, load_backbone
from edgeclip.config import TrainConfig
from edgeclip.contract.files import refuse_filled
from edgeclip.contract.pack import PACK_FILE, PackManifest, Thresholds
from edgeclip.contract.slots import needs_deep_graph
from edgeclip.earlier import earlier_parts
from edgeclip.encoding import PartEncoder
from edgeclip.errors import ArtefactError, ConfigError, GateError
from edgeclip.evaluation.comparison import Comparison, compare
from edgeclip.evaluation.images import known_places
from edgeclip.evaluation.result import Evaluation
from edgeclip.feature_cache import FeatureCache
from edgeclip.features import cache_folder
from edgeclip.folds import plan_folds
from edgeclip.labels.classes import require_two_classes
from edgeclip.labels.dataset import Dataset
from edgeclip.learning import Learned, Lesson, learn
from edgeclip.methods import Base
from edgeclip.opening import open_dataset
from edgeclip.openings import Opening, images_sha256, read_openings
from edgeclip.pack_contender import Head, head_contender, judged_images
from edgeclip.pack_making import Trained, make_manifest, pack_binaries
from edgeclip.packs import write_pack
from edgeclip.progress import Bars
from edgeclip.prompts import class_prompts, column_class, prompts_sha256
from edgeclip.regions import Strips
from edgeclip.report import report_files
from edgeclip.report_data import Origin
from edgeclip.run_folder import RunFolder, RunId, Taken, open_run
from edgeclip.selection import Candidate, Choice, thresholds_of
from edgeclip.split_file import read_split
from edgeclip.splits import Split, plan_split, targets_of
from edgeclip.summary import DataSummary, summary_of
from edgeclip.text_side import TextSide
from edgeclip.token_cache import TokenCache
from edgeclip.token_plan import TokenPlan, plan_tokens, tower_sizes
from edgeclip.training_report import training_report
from edgeclip.workbench import Workbench


@dataclass(frozen=True)
class TrainResult:
    """What a training gave.

    Attributes:
        manifest: Of the written pack.
        comparison: `adapter` and `zero-shot` on the test images, at new and at known places.
        summary: Of the data.
        notes: What must be read first.
        learned: Method and ladder.
        cache_hits: Regions whose features were known.
        cache_misses: Regions that were encoded.
        taken: What was taken over from an interrupted run; None where there was none.
    """

    manifest: PackManifest
    comparison: Comparison
    summary: DataSummary
    notes: tuple[str, ...]
    learned: Learned
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
        SetupError: The backbone's weights are not at hand.
    """
    _refuse_to_replace(config)  # before minutes of work
    earlier = read_openings(config.out)  # of a pack that is replaced: its test images were seen
    dataset = open_dataset(config, bars)
    require_two_classes(dataset.class_names)
    targets, split = _split(config, dataset)
    run = _Run(config, dataset, split, targets, bars)
    kept = open_run(config, RunId.of(config, dataset, split, run.backbone.base), clock=clock)
    trained, comparison = run.train(kept)
    manifest = make_manifest(trained, created_at)
    origin = Origin(summary_of(dataset, targets, split), split, dataset.images)
    openings = [*earlier, _opening(comparison, created_at)]
    report = training_report(trained, manifest, comparison, openings, origin)
    written = write_pack(
        config.out,
        manifest,
        pack_binaries(trained, run.backbone, run.strips),
        report=report_files(report),
        overwrite=config.overwrite,
    )
    kept.remove()
    return TrainResult(
        manifest=written,
        comparison=comparison,
        summary=origin.summary,
        notes=tuple(report.notes),
        learned=trained.learned,
        cache_hits=run.cache.hits,
        cache_misses=run.cache.misses,
        taken=kept.taken if kept.resumed else None,
    )


def _split(config: TrainConfig, dataset: Dataset) -> tuple[tuple[str, ...], Split]:
    """Return the targets, and the split that was given or is made."""
    images, names, asked = dataset.images, dataset.class_names, config.targets
    if config.split is None:
        return plan_split(images, names, asked, seed=config.recipe.seed)
    split = read_split(config.split, images, allow_shared_places=config.allow_random_split)
    return targets_of(images, split.parts, names, asked), split


def _opening(comparison: Comparison, at: datetime) -> Opening:
    images = comparison.judged.images
    return Opening(at=at, by="train", images=len(images), images_sha256=images_sha256(images))


def _refuse_to_replace(config: TrainConfig) -> None:
    """`--overwrite` replaces a pack, and never a folder that holds something else."""
    refuse_filled(config.out, overwrite=config.overwrite, marker=PACK_FILE)
    data = config.data.resolve()
    if config.out.resolve() in [data, *data.parents]:
        raise ConfigError(f"--out {config.out} holds the labelled images: choose another folder")


def _frozen_sha256(backbone: Backbone) -> str:
    """Return the hash of both towers, which a fit must not change."""
    model, _ = backbone.text_model()
    text = {k: v for k, v in model.state_dict().items() if not k.startswith("visual.")}
    return hash_weights({**backbone.tower.state_dict(), **text})


class _Run:
    """One training: what its steps share."""

    def __init__(
        self,
        config: TrainConfig,
        dataset: Dataset,
        split: Split,
        targets: Sequence[str],
        bars: Bars,
    ) -> None:
        self._config, self._dataset, self._split, self._bars = config, dataset, split, bars
        self._recipe = config.recipe
        self._targets = [dataset.class_names.index(name) for name in targets]
        self._prompts = class_prompts(dataset.class_names, config.prompts)
        self._column_class = column_class(self._prompts)
        self.strips = Strips(self._recipe.strip_top_px, self._recipe.strip_bottom_px)
        self.backbone: Backbone = load_backbone(config.backbone, config.pretrained)
        folder = cache_folder(config.cache, self.backbone.base.weights_sha256)
        self.cache = FeatureCache(folder)
        tokens = TokenCache(folder / "tokens" if folder else None)
        self._encoder = PartEncoder(
            dataset, split, self.backbone, self.cache, tokens, self.strips, bars
        )

    def train(self, kept: RunFolder) -> tuple[Trained, Comparison]:
        """Fit, choose, and only then look at the test parts."""
        side = TextSide(self.backbone, self._prompts)
        features = self.backbone.embed_prompts(side.columns)
        start = ZeroShot.of(features, self._column_class, self.backbone.logit_scale)
        plan = plan_tokens(self._config, self.backbone, start, kept)
        lesson, sizes = self._lesson(plan), tower_sizes(self.backbone)
        before = earlier_parts(self._config.on, self.backbone, prompts_sha256(self._prompts))
        base = Base(start, lesson.part.graph, tuple(before), side, sizes, lesson.part.deep)
        learned = self._learn(lesson, base, plan, kept)
        thresholds = self._thresholds(learned.choice)
        comparison = self._compare(learned, thresholds, plan)
        trained = Trained(
            config=self._config,
            dataset=self._dataset,
            split=self._split,
            base=self.backbone.base,
            preprocess=self.backbone.preprocess,
            prompts=self._prompts,
            learned=learned,
            thresholds=thresholds["adapter"],
            evaluations={n: j.frames for n, j in comparison.headline.judgements.items()},
        )
        return trained, comparison

    def _lesson(self, plan: TokenPlan) -> Lesson:
        views = self._recipe.views
        part = self._encoder.encode(("train", "validation"), views=views, plan=plan)
        folds = plan_folds(
            part, self._targets, self._split.indices("validation"), self._config.folds
        )
        return Lesson(part, folds, self._column_class, self._targets)

    def _learn(self, lesson: Lesson, base: Base, plan: TokenPlan, kept: RunFolder) -> Learned:
        frozen = _frozen_sha256(self.backbone)
        bench = Workbench(base, lesson.part.training_rows(), self._recipe, run=kept)
        learned = learn(self._config.method, bench, lesson, self._bars, skipped=plan.skipped)
        if _frozen_sha256(self.backbone) != frozen:
            raise ArtefactError("the encoder's weights changed in the fit: nothing was written")
        return learned

    def _thresholds(self, choice: Choice) -> dict[str, dict[str, Thresholds]]:
        """Return each head's thresholds; only the pack's own must reach what was asked."""

        def chosen(
            head: Candidate, precision: float | None, recall: float | None
        ) -> dict[str, Thresholds]:
            names = self._dataset.class_names
            return thresholds_of(
                head.score, names, self._targets, min_precision=precision, min_recall=recall
            )

        asked = self._config.min_precision, self._config.min_recall
        adapter = chosen(choice.chosen, *asked)
        try:
            zero_shot = chosen(choice.zero_shot, *asked)
        except GateError:  # zero-shot may fall short of it: then it is shown at its best F1
            zero_shot = chosen(choice.zero_shot, None, None)
        return {"zero-shot": zero_shot, "adapter": adapter}

    def _compare(
        self,
        learned: Learned,
        thresholds: Mapping[str, Mapping[str, Thresholds]],
        plan: TokenPlan,
    ) -> Comparison:
        """Open the test parts, once, and judge both heads on them."""
        choice = learned.choice
        deep = needs_deep_graph(choice.chosen.tensors)
        looked_into = plan if deep else TokenPlan()
        part = self._encoder.encode(("test", "test_seen"), views=1, plan=looked_into)
        trained = not choice.kept_zero_shot
        heads = [
            Head(
                "adapter",
                choice.chosen.tensors,
                thresholds["adapter"],
                self._column_class,
                trainable_params=learned.parameters if trained else 0,
                steps=self._recipe.steps if trained else 0,
            ),
            Head(
                "zero-shot",
                choice.zero_shot.tensors,
                thresholds["zero-shot"],
                self._column_class,
                trainable_params=0,
                steps=0,
            ),
        ]
        judged = judged_images(part)
        taught = {
            image.location
            for image, own in zip(self._dataset.images, self._split.parts, strict=True)
            if image.location and own in ("train", "validation")
        }
        return compare(
            [head_contender(head, part) for head in heads],
            judged,
            targets=[self._dataset.class_names[index] for index in self._targets],
            is_known_place=known_places(judged.images, taught),
        )
