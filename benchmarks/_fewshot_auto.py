"""`--method auto` on shots: the product's own ladder, judged on shots that a round left out.

Prompts are fixed in the product; where there is no text, the start is the mean of a class's shots,
so that each round draws it again from the shots that it fits to. Methods that look at tokens or at
sentences cannot be tried on features alone. With one shot a class nothing can be left out: the
ladder then ends where it would begin, at the closed form that needs no choice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks import _fewshot_parts as parts
from benchmarks._fewshot_methods import tip_setting
from benchmarks._fewshot_parts import Make, logits_of
from edgeclip.adapters.component import Component
from edgeclip.adapters.support import Support
from edgeclip.adapters.tip import make_tip
from edgeclip.candidates import Judge
from edgeclip.config import MOST_FOLDS
from edgeclip.features import Features
from edgeclip.folds import plan_folds
from edgeclip.labels.dataset import LabelledImage
from edgeclip.labels.scan import ImageFacts
from edgeclip.ladder import Entry, Rung, Step, climb
from edgeclip.makers import MAKERS, SHARES
from edgeclip.parts import PartData
from edgeclip.regions import Region

AUTO = "auto"
AUTO_RULE = "the ladder: held-out shots choose method and share; one shot a class: blend"


def _tip(support: Support, _seed: int) -> Sequence[Component]:
    alpha, beta = tip_setting(support)
    return [make_tip(support, alpha=alpha, beta=beta)]


TRIED: Mapping[str, tuple[Rung, Make, tuple[float, ...]]] = {
    "head": ("S1", parts.head, SHARES),
    "gda": ("S1", parts.gda, MAKERS["gda"].shares),
    "tip": ("S1", _tip, (1.0,)),  # its settings are chosen on parts left out of its own images
    "proker": ("S1", parts.proker, MAKERS["proker"].shares),
    "blend": ("S1", parts.blend, MAKERS["blend"].shares),
    "linear": ("S2", parts.linear, SHARES),
    "visual+head": ("S2", parts.visual_head, SHARES),
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
        return logits_of(support, parts.blend(support, seed), features)
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
