"""One training, step by step: encode, fit in rounds, choose, fit to all, and only then test."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from edgeclip.adapters.class_head import ZeroShot
from edgeclip.adapters.meta_files import meta_sha256
from edgeclip.adapters.model import AdapterModel, FeatureGraph
from edgeclip.adapters.router_rows import router_row
from edgeclip.attributes.making import Made, make_attributes, see_animals
from edgeclip.base_watch import BaseWatch
from edgeclip.beside import NONE, Beside, pseudo_classes
from edgeclip.cache_store import CacheStore
from edgeclip.clip import Backbone, load_backbone
from edgeclip.config import TrainConfig
from edgeclip.contract.attributes import AskedGroup
from edgeclip.contract.pack import PackManifest, Thresholds
from edgeclip.contract.slots import reaches_inside
from edgeclip.devices import device_for, device_label
from edgeclip.earlier import read_earlier
from edgeclip.encoding import PartEncoder
from edgeclip.errors import ArtefactError, GateError
from edgeclip.evaluation.comparison import Comparison, compare
from edgeclip.evaluation.images import known_places
from edgeclip.feature_cache import FeatureCache
from edgeclip.features import cache_folder
from edgeclip.folds import plan_folds
from edgeclip.kinds import AUTO
from edgeclip.labels.dataset import Dataset
from edgeclip.learning import Learned, Lesson, learn
from edgeclip.meta_weights import meta_weights_for
from edgeclip.methods import Base, parse_method
from edgeclip.pack_contender import Head, head_contender, judged_images
from edgeclip.pack_making import Trained
from edgeclip.progress import Bars
from edgeclip.prompts import class_prompts, column_class, prompts_sha256
from edgeclip.regions import Strips
from edgeclip.run_costs import LearningCosts
from edgeclip.run_folder import RunFolder
from edgeclip.selection import Candidate, Choice, thresholds_of
from edgeclip.split_rows import LEARNED_FROM
from edgeclip.splits import Split
from edgeclip.task_names import task_name
from edgeclip.text_side import TextSide
from edgeclip.token_cache import TokenCache
from edgeclip.token_plan import TokenPlan, look_inside, plan_tokens, tower_sizes
from edgeclip.training import TrainingRows
from edgeclip.unlabelled import FrameUse, UnlabelledFrames
from edgeclip.workbench import Workbench


class TrainingRun:
    """What the steps of one training share.

    Attributes:
        strips: Rows of burned-in text that are cut off.
        backbone: The frozen encoder.
        cache: Of image features.
    """

    def __init__(
        self,
        config: TrainConfig,
        dataset: Dataset,
        split: Split,
        targets: Sequence[str],
        bars: Bars,
        frames: UnlabelledFrames | None = None,
    ) -> None:
        self._frames = frames
        self._config, self._dataset, self._split, self._bars = config, dataset, split, bars
        self._recipe = config.recipe
        self._targets = [dataset.class_names.index(name) for name in targets]
        self._prompts = class_prompts(dataset.class_names, config.prompts)
        self._column_class = column_class(self._prompts)
        self.strips = Strips(self._recipe.strip_top_px, self._recipe.strip_bottom_px)
        self.backbone: Backbone = load_backbone(config.backbone, config.pretrained)
        device = device_for(config.device)
        self.backbone.tower.to(device)
        self._device = device_label(device)
        encoder = self.backbone.base
        self._meta = meta_weights_for(config.method, config.meta_weights, encoder)
        if config.method != AUTO:  # refuses a tower that the method does not know
            look_inside(config, parse_method(config.method), self.backbone)
        folder = cache_folder(config.cache, self.backbone.base.weights_sha256)
        store = CacheStore(config.cache, config.cache_gb) if config.cache else None
        self.cache = FeatureCache(folder, store)
        tokens = TokenCache(folder / "tokens" if folder else None, store)
        self._encoder = PartEncoder(
            dataset, split, self.backbone, self.cache, tokens, self.strips, bars
        )

    def train(self, kept: RunFolder) -> tuple[Trained, Comparison]:
        """Fit, choose, and only then look at the test parts."""
        earlier = read_earlier(self._config.on, self.backbone, prompts_sha256(self._prompts))
        side = TextSide(self.backbone, self._prompts)
        features = self.backbone.embed_prompts(side.columns)
        start = ZeroShot.of(features, self._column_class, self.backbone.logit_scale)
        asked = Base(start, FeatureGraph(), text=side)
        plan = plan_tokens(self._config, self.backbone, asked, earlier, kept)
        began = time.monotonic()
        lesson, sizes = self._lesson(plan), tower_sizes(self.backbone)
        part = lesson.part
        base = Base(start, part.graph, earlier.parts, side, sizes, part.inside, self._meta)
        rows, encoded = self._rows(lesson, plan), time.monotonic()
        learned = self._learn(lesson, base, plan, kept, rows)
        costs = LearningCosts(
            features_s=encoded - began,
            learning_s=time.monotonic() - encoded,
            methods_s={step.entry.name: step.seconds for step in learned.ladder.steps},
            device=self._device,
            resumed=kept.resumed,
        )
        thresholds = self._thresholds(learned.choice)
        comparison = self._compare(learned, thresholds, plan)
        self.backbone.tower.to("cpu")  # golden outputs are those of a CPU, wherever it was trained
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
            costs=costs,
            meta_sha256=meta_sha256(self._meta) if self._meta else None,
            frames=self._frame_use(learned, base, rows),
            router=router_row(
                _task(self._config, thresholds["adapter"]), part.features.f, whence=part.whence()
            ),
            earlier=earlier.manifest,
        )
        return trained, comparison

    def attributes(self, groups: Sequence[AskedGroup], manifest: PackManifest) -> Made | None:
        """Return what lets the pack answer groups, calibrated on what it learned from.

        Args:
            groups: As asked.
            manifest: Of the pack; one that changes the encoder answers none.
        """
        if not groups or reaches_inside(manifest.slots):
            return None
        chosen = [i for i, part in enumerate(self._split.parts) if part in LEARNED_FROM]
        seen = see_animals(
            self._dataset.images, chosen, self.backbone,
            cache=self.cache, strips=self.strips, bars=self._bars,
        )  # fmt: skip
        return make_attributes(groups, self.backbone, seen)

    def _lesson(self, plan: TokenPlan) -> Lesson:
        images = len(self._split.indices("train")) + len(self._split.indices("validation"))
        views = self._recipe.views_of(images)
        part = self._encoder.encode(("train", "validation"), views=views, plan=plan)
        folds = plan_folds(
            part, self._targets, self._split.indices("validation"), self._config.folds
        )
        return Lesson(part, folds, self._column_class, self._targets)

    def _rows(self, lesson: Lesson, plan: TokenPlan) -> TrainingRows:
        """Return what is fitted to, with the frames that nobody labelled beside it."""
        rows = lesson.part.training_rows()
        if self._frames is None:
            return rows
        return replace(rows, beside=Beside(self._encoder.encode_frames(self._frames.images, plan)))

    def _frame_use(self, learned: Learned, base: Base, rows: TrainingRows) -> FrameUse | None:
        """Return what became of the frames that nobody labelled."""
        if self._frames is None:
            return None
        start = AdapterModel(base.start, base.before, base.graph)
        sure = pseudo_classes(start, rows, self._recipe.pseudo_labels)
        count = int((sure != NONE).sum())
        return FrameUse(self._frames, count, is_taken=learned.trained_parameters > 0)

    def _learn(
        self, lesson: Lesson, base: Base, plan: TokenPlan, kept: RunFolder, rows: TrainingRows
    ) -> Learned:
        watch = BaseWatch(self.backbone)
        watched = replace(base, watch=watch)
        bench = Workbench(watched, rows, self._recipe, run=kept)
        try:
            learned = learn(self._config.method, bench, lesson, self._bars, skipped=plan.skipped)
            watch.check_hash()
        except ArtefactError:
            kept.remove()  # its rounds are of no encoder that can be named
            raise
        return learned

    def _thresholds(self, choice: Choice) -> dict[str, dict[str, Thresholds]]:
        """Return each head's thresholds; only the pack's own must reach what was asked."""

        def chosen(
            head: Candidate, precision: float | None, recall: float | None
        ) -> dict[str, Thresholds]:
            """Return a head's thresholds by target, for what is asked of it."""
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
        looked_at = plan if reaches_inside(choice.chosen.tensors) else TokenPlan()
        part = self._encoder.encode(("test", "test_seen"), views=1, plan=looked_at)
        heads = [
            Head(
                "adapter",
                choice.chosen.tensors,
                thresholds["adapter"],
                self._column_class,
                trainable_params=learned.trained_parameters,
                steps=learned.steps(self._recipe),
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
            if image.location and own in LEARNED_FROM
        } | self._split.before.places
        return compare(
            [head_contender(head, part) for head in heads],
            judged,
            targets=[self._dataset.class_names[index] for index in self._targets],
            is_known_place=known_places(judged.images, taught),
        )


def _task(config: TrainConfig, thresholds: Mapping[str, Thresholds]) -> str:
    return config.task or task_name(list(thresholds))
