"""`--method auto` on shots: the product's own ladder, judged on shots that a round left out.

Prompts are fixed in the product; where there is no text, the start is the mean of a class's shots,
so that each round draws it again from the shots that it fits to. Methods that look at tokens or at
sentences cannot be tried on features alone. With one shot a class nothing can be left out: the
ladder then ends where it would begin, at the closed form that needs no choice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks._fewshot_methods import logits_of, rows_of, tip_setting
from edgeclip.adapters.blend import make_blend
from edgeclip.adapters.class_head import ClassHead
from edgeclip.adapters.component import Component
from edgeclip.adapters.gda import make_gda
from edgeclip.adapters.linear import LinearAdapter, anchor_of
from edgeclip.adapters.model import AdapterModel
from edgeclip.adapters.proker import make_proker
from edgeclip.adapters.support import Support
from edgeclip.adapters.tip import make_tip
from edgeclip.adapters.visual import VisualAdapter
from edgeclip.candidates import Judge
from edgeclip.config import MOST_FOLDS, Recipe
from edgeclip.features import Features
from edgeclip.folds import plan_folds
from edgeclip.labels.dataset import LabelledImage
from edgeclip.labels.scan import ImageFacts
from edgeclip.ladder import Entry, Rung, Step, climb
from edgeclip.makers import MAKERS, SHARES
from edgeclip.parts import PartData
from edgeclip.regions import Region
from edgeclip.training import anchor_strengths, fit

AUTO = "auto"
AUTO_RULE = "the ladder: held-out shots choose method and share; one shot a class: blend"

Make = Callable[[Support, int], Sequence[Component]]


def _gda(support: Support, _seed: int) -> Sequence[Component]:
    return [make_gda(support)]


def _tip(support: Support, _seed: int) -> Sequence[Component]:
    alpha, beta = tip_setting(support)
    return [make_tip(support, alpha=alpha, beta=beta)]


def _proker(support: Support, _seed: int) -> Sequence[Component]:
    return [make_proker(support)]


def _blend(support: Support, _seed: int) -> Sequence[Component]:
    return [make_blend(support)]


def _head(support: Support, seed: int) -> Sequence[Component]:
    return _fitted(support, seed, [_class_head(support)])


def _linear(support: Support, seed: int) -> Sequence[Component]:
    width = support.features.shape[1]
    anchor = anchor_of(rows_of(support).images_a_class)
    return _fitted(support, seed, [LinearAdapter(torch.eye(width), anchor=anchor)])


def _visual_head(support: Support, seed: int) -> Sequence[Component]:
    torch.manual_seed(seed)
    recipe = Recipe()
    visual = VisualAdapter(
        support.features.shape[1], reduction=recipe.reduction, ratio=recipe.ratio
    )
    return _fitted(support, seed, [visual, _class_head(support)])


def _class_head(support: Support) -> ClassHead:
    start = support.start
    return ClassHead(start.head, start.columns, anchor_strengths(rows_of(support), start))


def _fitted(support: Support, seed: int, parts: Sequence[Component]) -> Sequence[Component]:
    fit(AdapterModel(support.start, parts), rows_of(support), Recipe(seed=seed))
    return parts


TRIED: Mapping[str, tuple[Rung, Make, tuple[float, ...]]] = {
    "head": ("S1", _head, SHARES),
    "gda": ("S1", _gda, MAKERS["gda"].shares),
    "tip": ("S1", _tip, (1.0,)),  # its settings are chosen on parts left out of its own images
    "proker": ("S1", _proker, MAKERS["proker"].shares),
    "blend": ("S1", _blend, MAKERS["blend"].shares),
    "linear": ("S2", _linear, SHARES),
    "visual+head": ("S2", _visual_head, SHARES),
}
"""Name -> rung, what makes it, and the shares to choose from."""


def auto(support: Support, seed: int, features: Tensor) -> Tensor:
    """Return the logits of what the ladder kept, fitted to all the shots.

    Args:
        support: The shots.
        seed: Of all that trains.
        features: `(m, E)` unit features of the test images.
    """
    if int(support.counts[support.present].min()) < 2:
        return logits_of(support, _blend(support, seed), features)
    won = climbed(support, seed)
    if won.entry.rung == "S0":
        return logits_of(support, [], features)
    return logits_of(support, TRIED[won.entry.name][1](support, seed), features, won.share)


def climbed(support: Support, seed: int) -> Step:
    """Return the step of the ladder that was kept."""
    part = _part(support)
    classes = range(support.start.classes)
    folds = plan_folds(part, classes, (), MOST_FOLDS)
    judge = Judge(part, folds.held, support.start.columns.tolist(), classes)
    entries = [_entry("zero-shot", "S0", lambda _support, _seed: (), (1.0,), support, seed)]
    entries += [_entry(name, *item, support, seed) for name, item in TRIED.items()]
    return climb(entries, folds, judge, must_be_certain=True).chosen


def _entry(
    name: str, rung: Rung, make: Make, shares: tuple[float, ...], support: Support, seed: int
) -> Entry:
    def said(
        kept: NDArray[np.int64], held: NDArray[np.int64], _setting: Mapping[str, float]
    ) -> dict[float, NDArray[np.float32]]:
        """Return the logits of held shots by share; a drawn start is drawn again."""
        rest = support.chosen(torch.from_numpy(kept))
        asked = support.features[torch.from_numpy(held)]
        show = partial(logits_of, rest, make(rest, seed), asked)
        return {share: show(share).float().numpy() for share in shares}

    trained = any(kind in MAKERS and MAKERS[kind].trained for kind in name.split("+"))
    return Entry(name, rung, "F0", shares, ({},), said, is_trained=trained)


def _part(support: Support) -> PartData:
    """Return the shots as the images of one place, each a moment of its own."""
    names = [f"class {number}" for number in range(support.start.classes)]
    images = [
        LabelledImage(
            path=Path(f"shot-{row}"), class_name=names[number], location=support.locations[row],
            captured_at=None, sequence=f"shot {row}", seq_id=None, box=None,
            facts=ImageFacts(f"{row:064x}", 1, 1, 0.0, None),
        )
        for row, number in enumerate(support.classes.tolist())
    ]  # fmt: skip
    f = support.features.numpy()
    regions = [Region(row, None, 0) for row in range(len(images))]
    return PartData(images, regions, Features(f, f), names)
