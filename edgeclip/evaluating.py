"""The whole of `edgeclip evaluate`: a pack at its own thresholds on images that it has not seen."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgeclip.adapters.changed_encoder import changed_encoder
from edgeclip.adapters.deep_graph import DeepGraph
from edgeclip.adapters.pack_outputs import outputs_of
from edgeclip.background import BackgroundCheck, check_background
from edgeclip.cache_store import CacheStore
from edgeclip.changed_features import ChangedFeatureGraph, encode_changed
from edgeclip.clip import Backbone, load_backbone
from edgeclip.contenders import Contender
from edgeclip.contract.files import new_folder, write_text
from edgeclip.contract.postprocess import class_probabilities
from edgeclip.contract.slots import adapted_blocks, graph_of
from edgeclip.evaluated_parts import Roles, roles_of
from edgeclip.evaluation.comparison import Comparison, compare
from edgeclip.evaluation.images import known_places
from edgeclip.evaluation_images import read_evaluation_images
from edgeclip.evaluation_request import EvaluationRequest
from edgeclip.feature_cache import FeatureCache
from edgeclip.features import cache_folder, encode_regions
from edgeclip.labels.dataset import LabelledImage
from edgeclip.openings import Opening, opening_note, record_opening
from edgeclip.pack_contender import Head, head_contender, judged_images
from edgeclip.pack_recipe import recipe_of
from edgeclip.pack_strips import strips_for
from edgeclip.packs import Pack, check_golden, load_pack
from edgeclip.parts import PartData
from edgeclip.progress import Bars
from edgeclip.regions import regions_of
from edgeclip.report import refuse_report, report_files
from edgeclip.report_data import ReportData
from edgeclip.run_costs import read_whole_costs
from edgeclip.teaching.account import taught_lines
from edgeclip.teaching.better_threshold import better_thresholds
from edgeclip.token_cache import TokenCache
from edgeclip.token_features import TokenLevel, encode_with_tokens

if TYPE_CHECKING:
    from edgeclip.baseline_runs import BaselineRun


def evaluate_pack(request: EvaluationRequest, *, at: datetime, bars: Bars) -> ReportData:
    """Return all figures, and write the report where one was asked for.

    Images of other classes than the pack's are left out, and so are those that it learned from.
    The look is recorded in the pack's folder, before anything is shown.

    Args:
        request: What to measure.
        at: Aware UTC, of the look.
        bars: Progress.

    Raises:
        ConfigError: An option is wrong, or the report's folder is taken.
        DataError: No image may be judged on, the split leaks, or baselines lack their images.
        PackError: The pack is damaged, or for another encoder.
        SetupError: Weights are not on this machine.
    """
    if request.report:
        refuse_report(request.report, request.pack, overwrite=request.overwrite)
    if request.baselines:
        from edgeclip.baseline_runs import check_baselines  # scikit-learn, torchvision

        check_baselines(request.baselines, request.device)
    run = _Evaluation(request, bars)
    comparison, background = run.judge()
    images = comparison.judged.images
    openings = record_opening(request.pack, Opening.of(images, "evaluate", at))
    looked = opening_note(openings)
    better = better_thresholds(run.pack.manifest.metrics, comparison)
    notes = [*([looked] if looked else []), *comparison.notes, *run.notes, *better]
    data = ReportData(
        run.pack.manifest, comparison, notes, openings,
        background=background, left_out=run.read.other_classes, read=run.read.summary,
    )  # fmt: skip
    if request.report:
        with new_folder(request.report, overwrite=request.overwrite) as folder:
            for name, text in report_files(data).items():
                write_text(folder / name, text)
    return data


class _Evaluation:
    """One evaluation: what its steps share."""

    def __init__(self, request: EvaluationRequest, bars: Bars) -> None:
        self._request, self._bars = request, bars
        self.pack: Pack = load_pack(request.pack)
        asked = request.strip_top_px, request.strip_bottom_px
        self._strips, self._strip_notes = strips_for(self.pack.manifest, *asked)
        self._backbone = _encoder(self.pack, request)
        self._own_encoder, self._slots = changed_encoder(self._backbone, self.pack.tensors)
        names = self.pack.manifest.class_names
        self.read = read_evaluation_images(request.reading, names, bars)
        self._images = self.read.images
        self._roles: Roles = roles_of(
            self._images,
            request.pack,
            split=request.split,
            allow_shared_places=request.allow_random_split,
        )
        weights = self._backbone.base.weights_sha256
        self._store = CacheStore(request.cache or Path(), request.cache_gb)
        own = self._store if request.cache else None
        self._cache = FeatureCache(cache_folder(request.cache, weights), own)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know."""
        others = self.read.other_classes
        counted = ", ".join(f"{name} {count}" for name, count in sorted(others.items()))
        unknown = (
            f"images of classes that the pack does not know are left out: {counted}; to judge on"
            " them, map them by --class"
        )
        before = "nobody can tell which images taught the pack below: these may be among them"
        return (
            *self._strip_notes,
            *(recipe_of(self._request.pack).notes if self._request.baselines else ()),
            *([unknown] if counted else []),
            *([] if self.pack.manifest.training.earlier_known else [before]),
            *self._roles.notes,
            *(f"taught: {said}" for said in taught_lines(self.pack.manifest.metrics)),
        )

    def judge(self) -> tuple[Comparison, BackgroundCheck | None]:
        """Encode the images, and judge the pack and the baselines on them."""
        manifest = self.pack.manifest
        part = self._part(self._roles.judged, views=1, name="encoding", for_pack=True)
        contenders = [self._own(part), *self._baselines(part)]
        judged = judged_images(part)
        known = known_places(judged.images, self._roles.taught_locations)
        comparison = compare(contenders, judged, targets=manifest.targets, is_known_place=known)
        return comparison, self._background(judged.images)

    def _own(self, part: PartData) -> Contender:
        manifest, costs = self.pack.manifest, read_whole_costs(self._request.pack)
        head = Head(
            "adapter",
            self.pack.tensors,
            manifest.thresholds,
            manifest.column_class,
            manifest.training.trainable_params,
            manifest.training.steps,
            seconds=costs.head_s if costs else float("nan"),
            peak_memory_mb=costs.peak_memory_mb if costs else float("nan"),
        )
        return head_contender(head, part)

    def _baselines(self, test: PartData) -> list[Contender]:
        if not self._request.baselines:
            return []
        from edgeclip.baseline_runs import run_baselines

        return run_baselines(self._request.baselines, self._baseline_run(test))

    def _baseline_run(self, test: PartData) -> BaselineRun:
        from edgeclip.baseline_runs import BaselineParts, BaselineRun

        learned_from = sorted((*self._roles.train, *self._roles.validation))
        began = time.perf_counter()
        how = recipe_of(self._request.pack)
        views = how.recipe.views_of(len(learned_from))  # as trained, so that the cache has them
        taught = self._part(learned_from, views=views, name="encoding training")
        return BaselineRun(
            manifest=self.pack.manifest,
            backbone=self._backbone,
            parts=BaselineParts(taught, frozenset(self._roles.validation), test, how.folds),
            strips=self._strips,
            resnet_weights=self._request.resnet_weights,
            device=self._request.device,
            seed=self._request.seed,
            bars=self._bars,
            features_s=time.perf_counter() - began,
        )

    def _background(self, images: Sequence[LabelledImage]) -> BackgroundCheck | None:
        if not self._request.background_check:
            return None
        manifest = self.pack.manifest

        def classify(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
            """Return `(n, C)` calibrated probabilities of inputs of the encoder."""
            outputs = outputs_of(pixels, self._own_encoder, self._slots)
            columns = outputs.probabilities.numpy()
            return class_probabilities(columns, manifest.column_class, len(manifest.classes))

        return check_background(
            images,
            manifest.class_names,
            {name: item.on for name, item in manifest.thresholds.items()},
            spec=manifest.preprocess,
            strips=self._strips,
            classify=classify,
        )

    def _part(
        self, chosen: Sequence[int], *, views: int, name: str, for_pack: bool = False
    ) -> PartData:
        """Encode images, with what a pack needs that reaches into the encoder or changes it."""
        lenders = (*self._roles.train, *self._roles.validation)
        boxed = any(self._images[index].box for index in lenders)
        regions = regions_of(self._images, chosen, views=views, lenders=lenders if boxed else None)
        advance, names = self._bars.add(name, len(regions)), self.pack.manifest.class_names
        strips = self._strips
        if for_pack and graph_of(self.pack.tensors) == "deep":
            blocks = self._backbone.base.blocks
            cut = blocks - adapted_blocks(blocks)
            level = TokenLevel(cut, self._cache, TokenCache(None, self._store))
            features = encode_with_tokens(
                self._images, regions, self._backbone, level=level, strips=strips, advance=advance
            )
            graph = DeepGraph(self._backbone.split(cut)[1])
            return PartData(self._images, regions, features, names, graph)
        features = encode_regions(
            self._images, regions, self._backbone, cache=self._cache, strips=strips, advance=advance
        )
        if not (for_pack and self.pack.manifest.is_bake_only):
            return PartData(self._images, regions, features, names)
        advance = self._bars.add(f"{name}, changed", len(regions))
        both = encode_changed(
            self._images, regions, self._own_encoder, features,
            cache=self._cache, strips=strips, advance=advance,
        )  # fmt: skip
        return PartData(self._images, regions, both, names, ChangedFeatureGraph())


def _encoder(pack: Pack, request: EvaluationRequest) -> Backbone:
    """Return the pack's encoder, after its golden outputs came out again."""
    base = pack.manifest.base
    pretrained = request.pretrained or (None if request.backbone else base.pretrained)
    backbone = load_backbone(request.backbone or base.arch, pretrained)
    check_golden(pack, backbone)
    return backbone
