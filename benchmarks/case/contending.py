"""What is compared in the case study: name -> (draw -> contender), encoders loaded when needed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from benchmarks.case.scenes import CLASSES
from benchmarks.case.study import STRIPS, Draw, Images
from edgeclip.baselines.cnn import resnet50
from edgeclip.baselines.finetune import FineTuning, finetune
from edgeclip.baselines.pixels import PixelPart, PixelSplit, read_pixels
from edgeclip.contenders import Contender
from edgeclip.regions import Region


@dataclass(frozen=True)
class Machine:
    """Where contenders run, and what they are made from.

    Attributes:
        device: Of the CNN: `cpu` or `cuda`.
        resnet_weights: See `edgeclip.baselines.resnet`.
        cache: Folder of the frozen encoder's features.
        finetuning: How the CNN is trained.
    """

    device: str
    resnet_weights: Path | None
    cache: Path
    finetuning: FineTuning


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


CONTENDERS: dict[str, Callable[[Draw, Machine], Contender]] = {"resnet50": resnet}
