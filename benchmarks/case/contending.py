"""What is compared in the case study: name -> (draw -> contender), encoders loaded when needed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.case.scenes import CLASSES
from benchmarks.case.study import STRIPS, VIEWS, Draw, Images
from edgeclip.adapters.class_head import ZeroShot
from edgeclip.adapters.component import Component
from edgeclip.adapters.cross_modal_head import CrossModalHead
from edgeclip.adapters.model import AdapterModel
from edgeclip.adapters.text_tokens import TextTokens
from edgeclip.baselines.cnn import resnet50
from edgeclip.baselines.finetune import FineTuning, finetune
from edgeclip.baselines.frozen import linear_probe, zero_shot
from edgeclip.baselines.judging import Task
from edgeclip.baselines.pixels import PixelPart, PixelSplit, read_pixels
from edgeclip.config import Recipe
from edgeclip.contenders import Contender
from edgeclip.feature_cache import FeatureCache
from edgeclip.features import cache_folder, encode_regions
from edgeclip.methods import Making, make_components
from edgeclip.parts import PartData
from edgeclip.prompts import ClassPrompts, class_prompts, column_class, prompts_sha256
from edgeclip.regions import Region
from edgeclip.selection import choose_ratio, thresholds_of
from edgeclip.training import fit

if TYPE_CHECKING:
    from edgeclip.clip import Backbone

_XMODAL_WIDTH, _XMODAL_RATIO = 32, 0.2


@dataclass(frozen=True)
class Machine:
    """Where contenders run, and what they are made from.

    Attributes:
        device: Of the CNN: `cpu` or `cuda`.
        resnet_weights: See `edgeclip.baselines.resnet`.
        cache: Folder of the frozen encoder's features.
        finetuning: How the CNN is trained.
        recipe: How adapters are trained.
    """

    device: str
    resnet_weights: Path | None
    cache: Path
    finetuning: FineTuning
    recipe: Recipe = field(default_factory=lambda: Recipe(views=VIEWS))

    @cached_property
    def encoder(self) -> Encoder:
        """The demo backbone."""
        from edgeclip.clip import load_backbone  # the machine of the CNN may lack open_clip

        return Encoder(load_backbone("demo"), self.cache)


class Encoder:
    """A frozen backbone, the prompts of the three classes, and features by content."""

    def __init__(self, backbone: Backbone, cache: Path) -> None:
        self.backbone = backbone
        self._cache = FeatureCache(cache_folder(cache, backbone.base.weights_sha256))
        by_label = class_prompts([label for labels in CLASSES.values() for label in labels], {})
        self.prompts = {
            name: ClassPrompts(tuple(c for label in labels for c in by_label[label].columns))
            for name, labels in CLASSES.items()
        }  # a column a label: the mean of a lion and a guineafowl would be neither
        columns = [column for item in self.prompts.values() for column in item.columns]
        self.start = ZeroShot.of(
            backbone.embed_prompts(columns), column_class(self.prompts), backbone.logit_scale
        )

    @property
    def text(self) -> TextTokens:
        """The unit features of each column, to attend to."""
        return TextTokens(self.start.weights.T.contiguous(), prompts_sha256(self.prompts))

    def part(self, draw: Draw, name: str) -> PartData:
        """Return a part of a draw as features."""
        images, regions = draw.regions(name)
        features = encode_regions(images, regions, self.backbone, cache=self._cache, strips=STRIPS)
        return PartData(images, regions, features, draw.task.class_names)

    def parts(self, draw: Draw) -> tuple[PartData, PartData, PartData]:
        """Return training, validation and test."""
        return (
            self.part(draw, "training"), self.part(draw, "validation"), self.part(draw, "test")
        )  # fmt: skip


def by_prompts(draw: Draw, machine: Machine) -> Contender:
    """Return the prompts alone, calibrated on validation."""
    encoder = machine.encoder
    _, validation, test = encoder.parts(draw)
    task = Task(draw.task.class_names, draw.task.targets, column_class(encoder.prompts))
    return zero_shot(encoder.start, validation, test, task)


def probe(draw: Draw, machine: Machine) -> Contender:
    """Return the linear probe."""
    return linear_probe(*machine.encoder.parts(draw), draw.task)


def visual(draw: Draw, machine: Machine) -> Contender:
    """Return the visual adapter with the class head: what `edgeclip train` fits."""
    return _adapter("visual adapter", draw, machine, [])


def cross_modal(draw: Draw, machine: Machine) -> Contender:
    """Return the visual and the cross-modal adapter with the class head."""
    extra: list[Component] = [
        CrossModalHead(machine.encoder.text, width=_XMODAL_WIDTH, ratio=_XMODAL_RATIO)
    ]
    return _adapter("visual + cross-modal", draw, machine, extra)


def _adapter(name: str, draw: Draw, machine: Machine, extra: list[Component]) -> Contender:
    began = time.perf_counter()
    encoder, task = machine.encoder, draw.task
    training, validation, test = encoder.parts(draw)
    recipe = machine.recipe.model_copy(update={"seed": draw.seed + 1})
    making = Making(training.training_rows(), encoder.start, recipe)
    model = AdapterModel(encoder.start, [*make_components(("visual", "head"), making), *extra])
    fit(model, making.rows, recipe)
    columns, targets = column_class(encoder.prompts), task.target_indices
    choice = choose_ratio(model, validation, columns, targets)
    on = thresholds_of(choice.chosen, validation, columns, targets)
    return Contender(
        name=name,
        probabilities=test.score(choice.chosen.tensors, columns, targets)[1],
        thresholds={target: item.on for target, item in on.items()},
        trainable_params=sum(p.numel() for p in model.parameters()),
        steps=recipe.steps,
        seconds=time.perf_counter() - began,
        note=f"share {choice.chosen.ratio:g} of what was learned, chosen on validation",
    )


@lru_cache(maxsize=4)  # the test images are the same for all draws
def pixels_of(images: Images, regions: tuple[Region, ...], size: int) -> PixelPart:
    """Return regions as pixels."""
    return read_pixels(images, regions, class_names=tuple(CLASSES), size=size, strips=STRIPS)


def resnet(draw: Draw, machine: Machine) -> Contender:
    """Return the fully fine-tuned ResNet-50."""
    began = time.perf_counter()
    cnn = resnet50(96, machine.resnet_weights)  # the size of the demo backbone
    training, validation, test = (
        pixels_of(*draw.regions(part), cnn.size) for part in ("training", "validation", "test")
    )
    parts = PixelSplit(training, validation, test)
    options = replace(machine.finetuning, seed=draw.seed + 1, device=machine.device)
    contender = finetune(cnn, parts, task=draw.task, options=options)
    return replace(contender, seconds=time.perf_counter() - began)


CONTENDERS: dict[str, Callable[[Draw, Machine], Contender]] = {
    "zero-shot": by_prompts,
    "probe": probe,
    "resnet50": resnet,
    "visual": visual,
    "cross-modal": cross_modal,
}
