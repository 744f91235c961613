"""A CNN fine-tuned in full, every layer: the baseline that an adapter has to beat.

AdamW (Loshchilov and Hutter, ICLR 2019, arXiv 1711.05101) with warm-up and cosine, a fixed number
of steps and no early stop; the same regions, views and sampler as our own fit. One learning rate of
a small grid is kept: the best on validation, by the rule that chooses a pack's ratio.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import clip_grad_norm_

from edgeclip.baselines.cnn import Cnn
from edgeclip.baselines.judging import (
    Cost,
    PartLogits,
    Quality,
    Task,
    best_of,
    judge,
    quality,
)
from edgeclip.baselines.pixels import PixelPart, PixelSplit
from edgeclip.contenders import Contender
from edgeclip.errors import DataError, SetupError

_MOST_GRADIENT = 1.0  # norm
_BATCH_READ = 128  # regions at once where nothing is learned


@dataclass(frozen=True)
class FineTuning:
    """How a CNN is trained; fixed before any data are seen.

    Attributes:
        steps: Optimiser steps of each learning rate.
        batch: Regions a step.
        rates: Learning rates to choose from, on validation.
        weight_decay: On matrices.
        warmup: Part of the steps.
        seed: Of classifier, order and dropout.
        device: `cpu`, or `cuda` where bfloat16 is used for the products.
    """

    steps: int = 400
    batch: int = 64
    rates: tuple[float, ...] = (1e-4, 5e-4)
    weight_decay: float = 1e-2
    warmup: float = 0.1
    seed: int = 1
    device: str = "cpu"

    @property
    def steps_in_all(self) -> int:
        """Of the trials, and of the last fit to all labels."""
        return self.steps * (len(self.rates) + 1)


@dataclass(frozen=True)
class Tried:
    """A learning rate and what came of it."""

    rate: float
    validation: PartLogits
    quality: Quality


def finetune(
    cnn: Cnn,
    parts: PixelSplit,
    *,
    task: Task,
    options: FineTuning,
    advance: Callable[[int], None] = lambda _: None,
) -> Contender:
    """Return a fully fine-tuned CNN as a contender.

    Validation decides learning rate, temperature and thresholds of networks that the training part
    taught. The network that is judged is then fitted once more, to all the labels, as a pack is.

    Args:
        cnn: Which one, with its pretrained weights.
        parts: The test part is looked at once, at the end.
        task: A column a class.
        options: How it is trained.
        advance: Called after each step with 1; there are `options.steps_in_all` of them.

    Raises:
        DataError: There are no training images, or the loss stopped being finite.
        SetupError: The weights, or the device, are not on this machine.
    """
    training, validation = parts.training, parts.validation
    if not len(training.regions):
        raise DataError("no training images: nothing to fine-tune on")
    if options.device.startswith("cuda") and not torch.cuda.is_available():
        raise SetupError(f"device {options.device} is not on this machine: use --device cpu")
    began = time.perf_counter()
    tried = []
    for rate in options.rates:
        model = fitted(cnn, training, rate, task=task, options=options, advance=advance)
        said = _logits(model, validation, cnn, options.device)
        tried.append(Tried(rate, said, quality(said, task)))
    best = tried[best_of([item.quality for item in tried])]
    final = fitted(cnn, parts.taught, best.rate, task=task, options=options, advance=advance)
    rates = ", ".join(f"{rate:g}" for rate in options.rates)
    cost = Cost(
        trainable_params=sum(p.numel() for p in final.parameters()),
        steps=options.steps_in_all,
        seconds=time.perf_counter() - began,
        note=f"{cnn.note}; learning rate {best.rate:g} of {rates}, chosen on validation",
    )
    said = _logits(final, parts.test, cnn, options.device)
    return judge(f"{cnn.name} fine-tuned", best.validation, said, task=task, cost=cost)


def fitted(
    cnn: Cnn,
    training: PixelPart,
    rate: float,
    *,
    task: Task,
    options: FineTuning,
    advance: Callable[[int], None] = lambda _: None,
) -> nn.Module:
    """Return the CNN after the fixed number of steps at one learning rate, in evaluation mode."""
    torch.manual_seed(options.seed)
    model = cnn.build(len(task.class_names)).to(options.device)
    model = model.to(memory_format=torch.channels_last).train()
    optimizer = _optimizer(model, rate, options.weight_decay)
    pixels = torch.from_numpy(training.pixels)
    classes = torch.from_numpy(training.classes).to(options.device)
    for step, batch in enumerate(_batches(training, options)):
        for group in optimizer.param_groups:
            group["lr"] = rate * _share(step, options)
        outputs = _forward(model, pixels[batch], cnn, options.device)
        loss = functional.cross_entropy(outputs, classes[batch])
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        clip_grad_norm_(model.parameters(), _MOST_GRADIENT)
        optimizer.step()
        advance(1)
    if not math.isfinite(float(loss.detach())):
        raise DataError(f"{cnn.name}: the loss is not finite at a learning rate of {rate:g}")
    return model.eval()


def _optimizer(model: nn.Module, rate: float, decay: float) -> torch.optim.Optimizer:
    matrices = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    return torch.optim.AdamW(
        [
            {"params": matrices, "weight_decay": decay},
            {"params": others, "weight_decay": 0.0},
        ],
        lr=rate,
        fused=True,
    )


def _share(step: int, options: FineTuning) -> float:
    """Return the part of the learning rate: warm-up, then a cosine to 0."""
    warm = max(1, round(options.steps * options.warmup))
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, options.steps - warm)))


def _batches(training: PixelPart, options: FineTuning) -> NDArray[np.int64]:
    """Return `(steps, batch)` indices of regions."""
    rng = np.random.default_rng(options.seed)
    size = options.steps, options.batch
    return rng.choice(len(training.regions), size=size, p=training.weights)


def _forward(model: nn.Module, pixels: Tensor, cnn: Cnn, device: str) -> Tensor:
    """Return logits `(B, C)` float32 of `(B, S, S, 3)` uint8."""
    mean, std = (torch.tensor(v, device=device).view(3, 1, 1) for v in (cnn.mean, cnn.std))
    images = pixels.to(device).permute(0, 3, 1, 2).float() / 255
    normal = ((images - mean) / std).contiguous(memory_format=torch.channels_last)
    kind = torch.device(device).type
    with torch.autocast(kind, torch.bfloat16, enabled=kind == "cuda"):
        outputs: Tensor = model(normal)
    return outputs.float()


def _logits(model: nn.Module, part: PixelPart, cnn: Cnn, device: str) -> PartLogits:
    pixels = torch.from_numpy(part.pixels)
    with torch.inference_mode():
        rows = [
            _forward(model, pixels[start : start + _BATCH_READ], cnn, device).cpu().numpy()
            for start in range(0, len(pixels), _BATCH_READ)
        ]
    return PartLogits(part.regions, part.classes, np.concatenate(rows))
