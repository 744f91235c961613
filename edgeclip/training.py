"""The fit: visual adapter and class head on cached features; the encoder is never at hand here.

AdamW, cosine with warm-up, a fixed number of steps, averaged weights as the result. The sampler
draws a class, then a location of it, then an image's region, each evenly: cameras and classes with
many images do not outvote the others.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from edgeclip.adapters.class_head import ZeroShot
from edgeclip.adapters.model import AdapterModel
from edgeclip.adapters.threads import one_thread
from edgeclip.config import Recipe
from edgeclip.errors import DataError
from edgeclip.features import Features

_MOST_GRADIENT = 1.0  # norm
_USUAL_SCALE = 100.0  # where published CLIPs end; encoders trained for less time stay lower
_MOST_FASTER = 10.0


@dataclass(frozen=True)
class TrainingRows:
    """What is fitted to: regions of the training part.

    Attributes:
        features: Of n regions.
        classes: `(n,)` int64, class of each.
        locations: n names; the sampler balances over them.
    """

    features: Features
    classes: NDArray[np.int64]
    locations: Sequence[str]


def fit(
    rows: TrainingRows,
    start: ZeroShot,
    recipe: Recipe,
    *,
    advance: Callable[[float], None] = lambda _: None,
) -> AdapterModel:
    """Return the fitted adapter, the average of its weights over the last steps.

    The same rows, start and recipe give the same bits on a CPU.

    Args:
        rows: Of the training part alone.
        start: The zero-shot head; fixed.
        recipe: Steps, rates, seed.
        advance: Called after each step with its loss.

    Raises:
        DataError: There are no rows, or the loss stopped being finite.
    """
    if not len(rows.classes):
        raise DataError("no training images: nothing to fit")
    with one_thread():
        return _fit(rows, start, recipe, advance)


def _fit(
    rows: TrainingRows, start: ZeroShot, recipe: Recipe, advance: Callable[[float], None]
) -> AdapterModel:
    torch.manual_seed(recipe.seed)
    reduction = min(recipe.reduction, start.weights.shape[0])
    model = AdapterModel(start, reduction=reduction, ratio=recipe.ratio)
    average = [parameter.detach().clone() for parameter in model.parameters()]
    optimizer, schedule = _optimizer(model, recipe, start.logit_scale)
    f = torch.from_numpy(rows.features.f)
    classes = torch.from_numpy(rows.classes)
    strengths = recipe.anchor * anchor_strengths(rows, start)
    for step, batch in enumerate(_batches(rows, recipe)):
        optimizer.zero_grad()
        logits = model(f[batch]).logits
        loss = class_loss(logits, classes[batch], start.columns) + model.head.anchor(strengths)
        loss.backward()  # type: ignore[no-untyped-call]
        clip_grad_norm_(model.parameters(), _MOST_GRADIENT)
        optimizer.step()
        schedule.step()
        _average(average, model, min(recipe.ema, (1 + step) / (10 + step)))
        advance(_finite(loss, step))
    for parameter, mean in zip(model.parameters(), average, strict=True):
        parameter.data.copy_(mean)
    return model.eval()


def class_loss(logits: Tensor, classes: Tensor, columns: Tensor) -> Tensor:
    """Return the mean of -log p(class), p summed over the columns of the class.

    Args:
        logits: `(B, K)`.
        classes: `(B,)` int64.
        columns: `(K,)` int64, class of each column.
    """
    own = columns[None] == classes[:, None]
    right = torch.logsumexp(logits.masked_fill(~own, -torch.inf), dim=1)
    return (torch.logsumexp(logits, dim=1) - right).mean()


def anchor_strengths(rows: TrainingRows, start: ZeroShot) -> Tensor:
    """Return lambda `(C,)`: mean zero-shot probability of each class over its own regions.

    A class without regions keeps 1: nothing speaks against its text features.
    """
    unit = torch.nn.functional.normalize(torch.from_numpy(rows.features.f), dim=1)
    logits = start.logit_scale * (unit @ start.weights) + start.bias
    columns = torch.softmax(logits, dim=1)
    classes = torch.from_numpy(rows.classes)
    own = (columns * (start.columns[None] == classes[:, None])).sum(dim=1)
    strengths = torch.ones(start.classes)
    for index in sorted(set(rows.classes.tolist())):
        strengths[index] = own[classes == index].mean()
    return strengths


def sampling_weights(rows: TrainingRows) -> NDArray[np.float64]:
    """Return `(n,)` weights, sum 1: each class, and each of its locations, counts alike."""
    cells = list(zip(rows.classes.tolist(), rows.locations, strict=True))
    sizes: dict[tuple[int, str], int] = {}
    for cell in cells:
        sizes[cell] = sizes.get(cell, 0) + 1
    places: dict[int, int] = {}
    for class_index, _ in sizes:
        places[class_index] = places.get(class_index, 0) + 1
    weights = [1 / (len(places) * places[cell[0]] * sizes[cell]) for cell in cells]
    return np.asarray(weights, np.float64)


def _batches(rows: TrainingRows, recipe: Recipe) -> NDArray[np.int64]:
    """Return `(steps, batch)` indices of regions."""
    rng = np.random.default_rng(recipe.seed)
    size = (recipe.steps, recipe.batch)
    return rng.choice(len(rows.classes), size=size, p=sampling_weights(rows))


def _optimizer(
    model: AdapterModel, recipe: Recipe, logit_scale: float
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LambdaLR]:
    # A step of Adam moves weights by the rate and logits by the rate times their scale.
    learning_rate = recipe.learning_rate * min(max(_USUAL_SCALE / logit_scale, 1), _MOST_FASTER)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=learning_rate, weight_decay=recipe.weight_decay
    )
    warm = max(1, round(recipe.steps * recipe.warmup))

    def rate(step: int) -> float:
        if step < warm:
            return (step + 1) / warm
        done = (step - warm) / max(1, recipe.steps - warm)
        return 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))

    return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, rate)


def _average(average: list[Tensor], model: AdapterModel, decay: float) -> None:
    for mean, parameter in zip(average, model.parameters(), strict=True):
        mean.lerp_(parameter.detach(), 1 - decay)


def _finite(loss: Tensor, step: int) -> float:
    value = float(loss.detach())
    if not math.isfinite(value):
        raise DataError(
            f"the loss is {value} at step {step}: lower the learning rate, or look at the images"
        )
    return value
