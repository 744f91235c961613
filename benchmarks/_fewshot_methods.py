"""The methods of the few-shot table, each by its own rule for hyper-parameters.

No method sees a label beyond the shots. What has to be chosen is chosen on left-out parts of the
shots (`edgeclip.adapters.support.folds`); with one image a class nothing can be left out, and the
published default is taken. What trains takes the one recipe of the product, at share 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from benchmarks import _fewshot_parts as parts
from benchmarks._fewshot_parts import Make, fitted, logits_of, rows_of
from edgeclip.adapters.clip_adapter import ClipAdapter
from edgeclip.adapters.gda import SHARES, make_gda
from edgeclip.adapters.head_graph import HeadOutputs
from edgeclip.adapters.model import AdapterModel, FeatureGraph, Inputs
from edgeclip.adapters.proker import balanced_loss
from edgeclip.adapters.support import Support, folds
from edgeclip.adapters.tip import ALPHA, BETA, GRID, make_tip, make_tip_f
from edgeclip.config import Recipe
from edgeclip.training import fit

Method = Callable[[Support, int, Tensor], Tensor]
"""(support, seed, features of the test images) -> logits."""


class _AdaptedGraph(FeatureGraph):
    """The published CLIP-Adapter before the head; it has no slot."""

    def __init__(self, adapter: ClipAdapter) -> None:
        super().__init__()
        self._adapter = adapter

    def __call__(self, inputs: Inputs, slots: Mapping[str, Tensor]) -> HeadOutputs:
        return super().__call__(Inputs(inputs.z, self._adapter.features(inputs.f)), slots)


def _start(support: Support, _seed: int, features: Tensor) -> Tensor:
    return logits_of(support, [], features)


def _gda(support: Support, _seed: int, features: Tensor) -> Tensor:
    def tried(rest: Support, tested: Tensor) -> list[Tensor]:
        part = make_gda(rest)
        return [logits_of(rest, [part], tested, share) for share in SHARES]

    best = _best(support, tried, default=SHARES.index(1.0))
    return logits_of(support, [make_gda(support)], features, SHARES[best])


def _tip(support: Support, _seed: int, features: Tensor) -> Tensor:
    alpha, beta = tip_setting(support)
    return logits_of(support, [make_tip(support, alpha=alpha, beta=beta)], features)


def _tip_f(support: Support, seed: int, features: Tensor) -> Tensor:
    alpha, beta = tip_setting(support)
    if alpha == 0:  # keys that nothing reads cannot train
        alpha, beta = ALPHA, BETA
    tip_f = fitted(support, seed, [make_tip_f(support, alpha=alpha, beta=beta)])
    return logits_of(support, tip_f, features)


def tip_setting(support: Support) -> tuple[float, float]:
    """Return the alpha and beta of Tip-Adapter that do best on left-out shots."""
    pairs = (*GRID, (ALPHA, BETA))

    def tried(rest: Support, tested: Tensor) -> list[Tensor]:
        parts = [make_tip(rest, alpha=alpha, beta=beta) for alpha, beta in pairs]
        return [logits_of(rest, [part], tested) for part in parts]

    return pairs[_best(support, tried, default=len(pairs) - 1)]


def _best(
    support: Support, tried: Callable[[Support, Tensor], list[Tensor]], *, default: int
) -> int:
    """Return which of some candidates is right most often on left-out shots, classes even.

    Not the one with the least loss: the scale of the logits is not what is compared here. Among
    equals the one with the least loss.
    """
    parts = folds(support)
    if not parts:
        return default
    found = [tried(support.without(part), support.features[part]) for part in parts]
    rows = torch.cat(parts)
    scores = [_score(support, torch.cat(list(each)), rows) for each in zip(*found, strict=True)]
    return max(range(len(scores)), key=scores.__getitem__)


def _score(support: Support, logits: Tensor, rows: Tensor) -> tuple[float, float]:
    """Return balanced accuracy, and minus the balanced loss."""
    classes = support.classes[rows]
    right = (support.start.columns[logits.argmax(dim=1)] == classes).double()
    counts = torch.bincount(classes, minlength=support.start.classes)
    accuracy = (right / counts[classes]).sum() / (counts > 0).sum()
    return float(accuracy), -float(balanced_loss(support, logits.double(), rows))


def _clip_adapter(support: Support, seed: int, features: Tensor) -> Tensor:
    torch.manual_seed(seed)
    adapter = ClipAdapter.fresh(features.shape[1])
    model = AdapterModel(support.start, [adapter], _AdaptedGraph(adapter))
    fit(model, rows_of(support), Recipe(seed=seed, kl=0.0))  # as published: cross-entropy alone
    with torch.no_grad():
        logits: Tensor = model(Inputs(features, features)).logits
    return logits


def _shown(make: Make) -> Method:
    """Return a method whose components have nothing left to be chosen."""
    return lambda support, seed, features: logits_of(support, make(support, seed), features)


METHODS: dict[str, tuple[Method, str]] = {
    "start": (_start, "none"),
    "gda": (_gda, "alpha: left-out shots"),
    "tip": (_tip, "alpha, beta: left-out shots"),
    "proker": (_shown(parts.proker), "lambda, gap: left-out shots, closed form"),
    "lp++": (_shown(parts.probe), "none: closed step sizes"),
    "tip_f": (_tip_f, "as tip; recipe"),
    "head (CLAP)": (_shown(parts.head), "recipe"),
    "taskres": (_shown(parts.taskres), "recipe"),
    "linear (RLA)": (_shown(parts.linear), "lambda = 1/shots; recipe"),
    "visual": (_shown(parts.visual), "recipe"),
    "clip_adapter_compat": (_clip_adapter, "recipe"),
    "blend": (_shown(parts.blend), "weights, lambda: left-out shots"),
}
"""Name -> the method, and how its hyper-parameters are chosen."""
