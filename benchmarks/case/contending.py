"""What is compared in the case study: name -> (draw -> contender), encoders loaded when needed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.case.scenes import CLASSES
from benchmarks.case.study import STRIPS, Draw, Images
from edgeclip.adapters.class_head import ZeroShot
from edgeclip.baselines.cnn import Cnn, resnet50
from edgeclip.baselines.finetune import FineTuning, finetune
from edgeclip.baselines.frozen import linear_probe_in_rounds, zero_shot
from edgeclip.baselines.judging import Task
from edgeclip.baselines.mobilenet import mobilenet_v2
from edgeclip.baselines.pixels import PixelPart, PixelSplit, read_pixels
from edgeclip.config import MOST_FOLDS, Recipe
from edgeclip.contenders import Contender
from edgeclip.feature_cache import FeatureCache
from edgeclip.features import cache_folder, encode_regions
from edgeclip.folds import plan_folds
from edgeclip.learning import Lesson, learn
from edgeclip.methods import Base
from edgeclip.parts import PartData
from edgeclip.progress import Bars
from edgeclip.prompts import ClassPrompts, class_prompts, column_class
from edgeclip.regions import Region
from edgeclip.selection import thresholds_of
from edgeclip.text_side import TextSide
from edgeclip.token_plan import tower_sizes
from edgeclip.workbench import Workbench

if TYPE_CHECKING:
    from edgeclip.clip import Backbone

METHODS = ("visual+head", "visual+xmodal+head", "auto")
"""Of `edgeclip train --method`."""

CNNS = ("resnet50", "mobilenetv2")
"""Fine-tuned in full; the second where the weights of the first are not to be had."""


@dataclass(frozen=True)
class Machine:
    """Where contenders run, and what they are made from.

    Attributes:
        cnns: Name -> a CNN that may be fine-tuned.
        cache: Folder of the frozen encoder's features.
        finetuning: How a CNN is trained, and on which device.
        backbone: Name and weights of the frozen encoder, as `edgeclip train` takes them.
        classes: Class -> labels, the target first.
        recipe: How adapters are trained.
    """

    cnns: Mapping[str, Callable[[], Cnn]]
    cache: Path
    finetuning: FineTuning
    backbone: tuple[str, str | None] = ("demo", None)
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: CLASSES)
    recipe: Recipe = field(default_factory=Recipe)

    def key(self, name: str) -> str:
        """Return what decides a contender's run, so that a kept one is known to be the same."""
        if name in self.cnns:
            options = replace(self.finetuning, seed=0, device="")  # the draw's; no part of it
            return f"{options} {self.cnns[name]().note}"
        return f"{self.backbone} {self.recipe.sha256}"

    @cached_property
    def encoder(self) -> Encoder:
        """The frozen encoder."""
        from edgeclip.clip import load_backbone  # the machine of the CNN may lack open_clip

        return Encoder(load_backbone(*self.backbone), self.cache, self.classes)


class Encoder:
    """A frozen backbone, the prompts of the classes, and features by content."""

    def __init__(
        self, backbone: Backbone, cache: Path, classes: Mapping[str, tuple[str, ...]]
    ) -> None:
        self.backbone = backbone
        self._cache = FeatureCache(cache_folder(cache, backbone.base.weights_sha256))
        by_label = class_prompts([label for labels in classes.values() for label in labels], {})
        self.prompts = {
            name: ClassPrompts(tuple(c for label in labels for c in by_label[label].columns))
            for name, labels in classes.items()
        }  # a column a label: the mean of a lion and a guineafowl would be neither
        columns = [column for item in self.prompts.values() for column in item.columns]
        self.start = ZeroShot.of(
            backbone.embed_prompts(columns), column_class(self.prompts), backbone.logit_scale
        )

    def part(self, draw: Draw, name: str) -> PartData:
        """Return a part of a draw as features."""
        images, regions = draw.regions(name)
        features = encode_regions(images, regions, self.backbone, cache=self._cache, strips=STRIPS)
        return PartData(images, regions, features, draw.task.class_names)

    def lesson(self, draw: Draw) -> Lesson:
        """Return what an ecologist would bring, in the rounds by which everything is chosen."""
        part, targets = self.part(draw, "labelled"), draw.task.target_indices
        folds = plan_folds(part, targets, sorted(draw.set_apart), MOST_FOLDS)
        return Lesson(part, folds, column_class(self.prompts), targets)


def by_prompts(draw: Draw, machine: Machine) -> Contender:
    """Return the prompts alone, calibrated on the labelled images."""
    encoder = machine.encoder
    lesson = encoder.lesson(draw)
    task = Task(draw.task.class_names, draw.task.targets, lesson.column_class)
    held = lesson.part.chosen(lesson.folds.held)
    return zero_shot(encoder.start, held, encoder.part(draw, "test"), task)


def probe(draw: Draw, machine: Machine) -> Contender:
    """Return the linear probe, chosen in the rounds of the packs."""
    encoder = machine.encoder
    lesson = encoder.lesson(draw)
    test = encoder.part(draw, "test")
    return linear_probe_in_rounds(lesson.part, lesson.folds, test, draw.task)


def pack(method: str, draw: Draw, machine: Machine) -> Contender:
    """Return what `edgeclip train --budget-minutes 0 --method` makes of a draw's images."""
    began = time.perf_counter()
    encoder, task = machine.encoder, draw.task
    lesson, test = encoder.lesson(draw), encoder.part(draw, "test")
    part, columns, targets = lesson.part, lesson.column_class, lesson.targets
    recipe = machine.recipe.model_copy(update={"seed": draw.seed + 1})
    base = Base(
        encoder.start, part.graph,
        text=TextSide(encoder.backbone, encoder.prompts), tower=tower_sizes(encoder.backbone),
    )  # fmt: skip
    bench = Workbench(base, part.training_rows(), recipe)
    learned = learn(method, bench, lesson, Bars(quiet=True))
    chosen = learned.choice.chosen
    on = thresholds_of(chosen.score, task.class_names, targets)
    return Contender(
        name=method,
        probabilities=test.score(chosen.tensors, columns, targets)[1],
        thresholds={target: item.on for target, item in on.items()},
        trainable_params=learned.parameters,
        steps=recipe.steps,
        seconds=time.perf_counter() - began,
        note=f"{learned.method.name}, share {chosen.share:g}",
    )


@lru_cache(maxsize=4)  # the test images are the same for all draws
def pixels_of(
    images: Images, regions: tuple[Region, ...], class_names: tuple[str, ...], size: int
) -> PixelPart:
    """Return regions as pixels."""
    return read_pixels(images, regions, class_names=class_names, size=size, strips=STRIPS)


def cnn(name: str, draw: Draw, machine: Machine) -> Contender:
    """Return a fully fine-tuned CNN."""
    began = time.perf_counter()
    network = machine.cnns[name]()
    taught, test = (
        pixels_of(*draw.regions(part), tuple(draw.classes), network.size)
        for part in ("labelled", "test")
    )
    parts = PixelSplit(taught, draw.set_apart, test)
    options = replace(machine.finetuning, seed=draw.seed + 1)
    contender = finetune(network, parts, task=draw.task, options=options)
    return replace(contender, seconds=time.perf_counter() - began)


def cnns_of(resnet: Path | None, mobilenet: Path | None, size: int) -> dict[str, Callable[[], Cnn]]:
    """Return the CNNs whose weights are named, by contender.

    Args:
        resnet: See `edgeclip.baselines.resnet`.
        mobilenet: See `edgeclip.baselines.mobilenet`.
        size: Side of their input, px.
    """
    cnns: dict[str, Callable[[], Cnn]] = {}
    if resnet:
        cnns["resnet50"] = partial(resnet50, size, resnet)
    if mobilenet:
        cnns["mobilenetv2"] = partial(mobilenet_v2, size, mobilenet)
    return cnns


CONTENDERS: dict[str, Callable[[Draw, Machine], Contender]] = {
    "zero-shot": by_prompts,
    "probe": probe,
    **{name: partial(cnn, name) for name in CNNS},
    **{name: partial(pack, name) for name in METHODS},
}
