"""The fit: components on cached features or tokens; the encoder is never changed.

AdamW, cosine with warm-up, a fixed number of steps, averaged weights as the result. The sampler
draws a class, then a location of it, then a burst, then a region of it, each evenly: classes,
cameras and bursts with many images do not outvote the others.
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
from edgeclip.adapters.model import AdapterModel, FeatureGraph, Inputs, threads_for
from edgeclip.beside import Beside, BesideTerm
from edgeclip.config import Recipe
from edgeclip.errors import DataError
from edgeclip.features import Features
from edgeclip.fit_state import Checkpoint, FitState
from edgeclip.losses import class_loss, divergence, view_consistency, zero_shot_consistency
from edgeclip.optimizing import optimizers_of, rate_at
from edgeclip.sampling import balanced_weights, prior_offsets

_MOST_GRADIENT = 1.0  # norm
_FULL_KL_IMAGES = 4  # images a class up to which zero-shot is held with full weight


@dataclass(frozen=True)
class TrainingRows:
    """What is fitted to: regions of the training part.

    Attributes:
        features: Of n regions.
        classes: `(n,)` int64, class of each.
        locations: n names; the sampler balances over them.
        origins: `(n,)` int64, equal for the views of one region of one image.
        sequences: n names of bursts, over which the sampler balances too; None: not known.
        beside: Frames without labels; None: there are none.
    """

    features: Features
    classes: NDArray[np.int64]
    locations: Sequence[str]
    origins: NDArray[np.int64]
    sequences: Sequence[str] | None = None
    beside: Beside | None = None

    @property
    def images_a_class(self) -> float:
        """How many regions a class has on the average, views counted once."""
        return len(np.unique(self.origins)) / max(len(np.unique(self.classes)), 1)

    def chosen(self, indices: NDArray[np.int64]) -> TrainingRows:
        """Return some of the rows."""
        places = [self.locations[int(index)] for index in indices]
        features = self.features.rows(indices.tolist())
        bursts = self.sequences and [self.sequences[int(index)] for index in indices]
        classes, origins = self.classes[indices], self.origins[indices]
        return TrainingRows(features, classes, places, origins, bursts, self.beside)


def fit(
    model: AdapterModel,
    rows: TrainingRows,
    recipe: Recipe,
    *,
    advance: Callable[[float], None] = lambda _: None,
    checkpoint: Checkpoint | None = None,
) -> AdapterModel:
    """Fit a model in place and return it: the average of its weights over the last steps.

    The same model, rows and recipe give the same bits on a CPU. A model without parameters, of
    training-free components alone, is returned as it is.

    Args:
        model: At its start.
        rows: Of the training part alone.
        recipe: Steps, rates, seed.
        advance: Called after each step with its loss, of steps that were taken over too.
        checkpoint: Where the state is kept; an interrupted fit continues from it, bit for bit.

    Raises:
        DataError: There are no rows, or the loss stopped being finite.
    """
    if not len(rows.classes):
        raise DataError("no training images: nothing to fit")
    if any(parameter.requires_grad for parameter in model.parameters()):
        with threads_for(model.graph):
            _Fit(model, rows, recipe).run(advance, checkpoint)
    return model.eval()


class _Fit:
    """One fit: what its steps share."""

    def __init__(self, model: AdapterModel, rows: TrainingRows, recipe: Recipe) -> None:
        self._model, self._rows, self._recipe = model, rows, recipe
        self._parameters = [p for p in model.parameters() if p.requires_grad]
        average = [parameter.detach().clone() for parameter in self._parameters]
        self._state = FitState(self._parameters, average, optimizers_of(model, recipe))
        self._classes = torch.from_numpy(rows.classes)
        self._kl = kl_weight(rows, recipe)
        offsets = prior_offsets(rows.classes, rows.origins, model.start.columns.numpy())
        self._prior = torch.from_numpy(recipe.prior * offsets).float()
        at_the_head = isinstance(model.graph, FeatureGraph)
        size = recipe.batch if at_the_head else recipe.token_batch
        self._batches = _batches(rows, recipe, size)
        self._beside = BesideTerm(model, rows, recipe, size) if rows.beside else None
        self._twins = twins(rows.origins, recipe.seed) if recipe.view_kl else None
        # Of the frozen features: without adapters no graph says anything else, or costs less.
        self._zero_shot = AdapterModel(model.start, ()) if self._kl else None

    def run(self, advance: Callable[[float], None], checkpoint: Checkpoint | None) -> None:
        state, steps = self._state, self._recipe.steps
        self._model.train()
        if checkpoint:
            checkpoint.restore(state)
        for loss in list(state.losses):
            advance(loss)
        for step in range(len(state.losses), steps):
            state.losses.append(self._step(step))
            advance(state.losses[-1])
            if checkpoint:
                checkpoint.offer(state, is_last=step == steps - 1)
        for parameter, mean in zip(state.parameters, state.average, strict=True):
            parameter.data.copy_(mean)
        _seed(self._recipe.seed)  # what is drawn next does not depend on a resumption

    def _step(self, step: int) -> float:
        """Take a step and return its loss."""
        recipe, optimizers = self._recipe, self._state.optimizers
        _seed(recipe.seed * 1_000_003 + step)  # dropout alike after a resumption
        for optimizer in optimizers:
            optimizer.zero_grad()
        loss = self._loss(self._batches[step])
        if self._beside is not None:
            loss = loss + self._beside_loss(self._beside, self._beside.batches[step])
        loss.backward()  # type: ignore[no-untyped-call]
        for optimizer in optimizers:
            # Each by itself: Adam's steps do not tell how large its gradients are, SGD's do.
            clip_grad_norm_(
                [p for g in optimizer.param_groups for p in g["params"]], _MOST_GRADIENT
            )
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * rate_at(step, recipe)
            optimizer.step()
        decay = min(recipe.ema, (1 + step) / (10 + step))
        _mean(self._state.average, self._parameters, decay)
        return _finite(loss, step)

    def _loss(self, batch: NDArray[np.int64]) -> Tensor:
        inputs, classes = inputs_of(self._rows.features, batch), self._classes[batch]
        columns = self._model.start.columns
        logits = self._model(inputs).logits
        loss = class_loss(logits - self._prior, classes, columns)
        if self._recipe.text_samples:
            loss = (loss + self._text_loss()) / 2
        loss = loss + self._model.penalty()
        if self._zero_shot is not None:
            with torch.no_grad():
                teacher = self._zero_shot(inputs).logits
            loss = loss + self._kl * zero_shot_consistency(teacher, logits, classes, columns)
        if self._twins is not None:
            other = self._model(inputs_of(self._rows.features, self._twins[batch])).logits
            loss = loss + self._recipe.view_kl * view_consistency(logits, other)
        return loss

    def _beside_loss(self, beside: BesideTerm, batch: NDArray[np.int64]) -> Tensor:
        """Return the loss of frames without labels: nobody says where zero-shot is wrong."""
        inputs = inputs_of(beside.features, batch)
        logits = self._model(inputs).logits
        loss = beside.pseudo_loss(logits - self._prior, batch)
        if self._zero_shot is not None:
            with torch.no_grad():
                teacher = self._zero_shot(inputs).logits
            loss = loss + self._kl * divergence(teacher, logits).mean()
        return loss

    def _text_loss(self) -> Tensor:
        """Return the loss of the columns' text features, as if they were images of their classes.

        Cross-modal adaptation (Lin et al., CVPR 2023, arXiv 2301.06267): half of a batch is text.
        Its loss weighs classes alike, so that each text once is what many draws of them would be.
        """
        start = self._model.start
        text = start.weights.T
        z = text.new_zeros(len(text), self._rows.features.z.shape[1])
        logits = self._model(Inputs(z, text)).logits
        return class_loss(logits - self._prior, start.columns, start.columns)


def _seed(seed: int) -> None:
    """Seed what draws on the CPU, and on a GPU where one is at work, as `torch.manual_seed` does.

    That writes down where it was called from for each kind of device that has not begun yet, and
    keeps it for good: time and memory at each of a small adapter's short steps.
    """
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.manual_seed_all(seed)


def inputs_of(features: Features, batch: NDArray[np.int64]) -> Inputs:
    """Return the graph's inputs of some rows, as tensors."""
    z, f = torch.from_numpy(features.z[batch]), torch.from_numpy(features.f[batch])
    return Inputs(z, f, None if features.tokens is None else features.tokens[batch])


def kl_weight(rows: TrainingRows, recipe: Recipe) -> float:
    """Return the weight of consistency with zero-shot: the recipe's, else min(1, 4 / images)."""
    if recipe.kl is not None:
        return recipe.kl
    return min(1.0, _FULL_KL_IMAGES / rows.images_a_class)


def twins(origins: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Return for each row another view of the same region, or itself where there is none.

    Args:
        origins: `(n,)` int64, equal for the views of one region.
        seed: Of the order.
    """
    order = np.lexsort((np.random.default_rng(seed).random(len(origins)), origins))
    twin = np.empty(len(origins), np.int64)
    for group in np.split(order, np.flatnonzero(np.diff(origins[order])) + 1):
        twin[group] = np.roll(group, 1)
    return twin


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
    """Return `(n,)` weights, sum 1: each class, each of its locations and bursts, counts alike."""
    return balanced_weights(rows.classes, rows.locations, rows.sequences)


def _batches(rows: TrainingRows, recipe: Recipe, batch: int) -> NDArray[np.int64]:
    """Return `(steps, batch)` indices of regions."""
    rng = np.random.default_rng(recipe.seed)
    size = (recipe.steps, batch)
    return rng.choice(len(rows.classes), size=size, p=sampling_weights(rows))


def _mean(average: Sequence[Tensor], parameters: Sequence[Tensor], decay: float) -> None:
    for mean, parameter in zip(average, parameters, strict=True):
        mean.lerp_(parameter.detach(), 1 - decay)


def _finite(loss: Tensor, step: int) -> float:
    value = float(loss.detach())
    if not math.isfinite(value):
        raise DataError(
            f"the loss is {value} at step {step}: lower the learning rate, or look at the images"
        )
    return value
