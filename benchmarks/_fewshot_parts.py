"""What the few-shot benchmark fits: components made from shots, by the product's own code."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from edgeclip.adapters.blend import make_blend
from edgeclip.adapters.class_head import ClassHead
from edgeclip.adapters.component import Component
from edgeclip.adapters.gda import make_gda
from edgeclip.adapters.linear import LinearAdapter, anchor_of
from edgeclip.adapters.linear_probe import make_linear_probe
from edgeclip.adapters.model import AdapterModel, Inputs
from edgeclip.adapters.proker import make_proker
from edgeclip.adapters.support import Support
from edgeclip.adapters.task_residual import TaskResidual
from edgeclip.adapters.visual import VisualAdapter
from edgeclip.config import Recipe
from edgeclip.features import Features
from edgeclip.training import TrainingRows, anchor_strengths, fit

Make = Callable[[Support, int], Sequence[Component]]
"""(support, seed) -> components, complete: what trains is fitted by the product's recipe."""


def logits_of(
    support: Support, parts: Sequence[Component], features: Tensor, share: float = 1.0
) -> Tensor:
    """Return `(m, K)` logits of components on unit features; z stands for f, P for I."""
    model = AdapterModel(support.start, parts)
    slots = {**model.graph.neutral(support.start), **model.own_slots(share)}
    with torch.no_grad():
        logits: Tensor = model.graph(Inputs(features, features), slots).logits
    return logits


def rows_of(support: Support) -> TrainingRows:
    """Return the shots as the rows of a training."""
    f = support.features.numpy()
    classes = support.classes.numpy()
    return TrainingRows(Features(f, f), classes, support.locations, np.arange(len(classes)))


def fitted(support: Support, seed: int, parts: Sequence[Component]) -> Sequence[Component]:
    """Return components after the one recipe."""
    fit(AdapterModel(support.start, parts), rows_of(support), Recipe(seed=seed))
    return parts


def gda(support: Support, _seed: int) -> Sequence[Component]:
    """Return Gaussian discriminant analysis."""
    return [make_gda(support)]


def proker(support: Support, _seed: int) -> Sequence[Component]:
    """Return ProKeR."""
    return [make_proker(support)]


def probe(support: Support, _seed: int) -> Sequence[Component]:
    """Return LP++."""
    return [make_linear_probe(support)]


def blend(support: Support, _seed: int) -> Sequence[Component]:
    """Return the project's own blend of closed forms."""
    return [make_blend(support)]


def head(support: Support, seed: int) -> Sequence[Component]:
    """Return the class head with the CLAP anchor."""
    return fitted(support, seed, [_class_head(support)])


def taskres(support: Support, seed: int) -> Sequence[Component]:
    """Return TaskRes."""
    return fitted(support, seed, [TaskResidual(support.start.head)])


def linear(support: Support, seed: int) -> Sequence[Component]:
    """Return the linear adapter, anchored by the number of shots."""
    anchor = anchor_of(rows_of(support).images_a_class)
    width = support.features.shape[1]
    return fitted(support, seed, [LinearAdapter(torch.eye(width), anchor=anchor)])


def visual(support: Support, seed: int) -> Sequence[Component]:
    """Return the visual adapter alone."""
    return fitted(support, seed, [_visual(support, seed)])


def visual_head(support: Support, seed: int) -> Sequence[Component]:
    """Return visual adapter and class head, fitted together."""
    return fitted(support, seed, [_visual(support, seed), _class_head(support)])


def _visual(support: Support, seed: int) -> VisualAdapter:
    torch.manual_seed(seed)
    recipe = Recipe()
    width = support.features.shape[1]
    return VisualAdapter(width, reduction=recipe.reduction, ratio=recipe.ratio)


def _class_head(support: Support) -> ClassHead:
    start = support.start
    return ClassHead(start.head, start.columns, anchor_strengths(rows_of(support), start))
