"""The few-shot tasks: precomputed CLIP ViT-B/32 features of public sets, shots, and starts."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import normalize

from edgeclip.adapters.class_head import ZeroShot
from edgeclip.adapters.support import Support, drawn_start

USUAL = Path(__file__).parent.parent / "../shared/data/clip-features"
DATA_SETS = ("caltech101", "oxford_flowers", "oxford_pets", "dtd")
SHOTS, SEEDS = (1, 2, 4, 8, 16), (1, 2, 3)
SCALE = 100.0  # of this checkpoint

Arrays = dict[str, NDArray[np.generic]]


@dataclass(frozen=True)
class Task:
    """One data set at one number of shots, drawn once.

    Attributes:
        name: Of the data set.
        support: The shots, one location, with their start.
        features: `(m, E)` float32 of the test images, unit norm.
        truth: `(m,)` int64.
    """

    name: str
    support: Support
    features: Tensor
    truth: Tensor


def folder() -> Path:
    """Return where the features lie: `EDGECLIP_CLIP_FEATURES`, else their usual place."""
    return Path(os.environ.get("EDGECLIP_CLIP_FEATURES", USUAL))


def task(name: str, shots: int, seed: int) -> Task:
    """Return a task; seed 1 takes the published shots where there are any.

    Other seeds, and what was not published, are drawn from the images outside the test split. Of
    Caltech only the classes with a text feature are kept, and its start is the text; elsewhere the
    start is drawn from the shots.

    Args:
        name: Of the data set.
        shots: Images a class.
        seed: Of the draw.
    """
    arrays = dict(np.load(folder() / f"{name}.npz"))
    features, classes = _drawn(arrays, shots, seed)
    tested, truth = _unit(arrays["test_feat"]), _labels(arrays["test_label"])
    text, kept = _text([str(each) for each in arrays["classnames"]])
    if name == "caltech101":
        features, classes = _only(features, classes, kept)
        tested, truth = _only(tested, truth, kept)
        start = ZeroShot.of(text, list(range(len(kept))), SCALE)
    else:
        start = drawn_start(features, classes, len(arrays["classnames"]), SCALE)
    places = ["one place"] * len(classes)
    support = Support(features, classes, start, places, drawn_start=name != "caltech101")
    return Task(name, support, tested, truth)


def halves(whole: Task) -> tuple[Task, Task]:
    """Return the task of the first half of the classes, and that of the second."""
    count = whole.support.start.classes
    return _part(whole, list(range(count // 2))), _part(whole, list(range(count // 2, count)))


def _part(whole: Task, kept: list[int]) -> Task:
    """Return a task of some classes; a start of text keeps its columns, a drawn one is drawn."""
    support = whole.support
    features, classes = _only(support.features, support.classes, kept)
    if support.drawn_start:
        start = drawn_start(features, classes, len(kept), SCALE)
    else:
        start = ZeroShot.of(support.start.weights.T[kept], list(range(len(kept))), SCALE)
    places = ["one place"] * len(classes)
    part = Support(features, classes, start, places, drawn_start=support.drawn_start)
    return Task(whole.name, part, *_only(whole.features, whole.truth, kept))


def _drawn(arrays: Arrays, shots: int, seed: int) -> tuple[Tensor, Tensor]:
    published = f"shots{shots}_feat"
    if seed == 1 and published in arrays:
        return _unit(arrays[published]), _labels(arrays[f"shots{shots}_label"])
    pool = ["shots16" if "shots16_feat" in arrays else "shots1", "val"]
    features = torch.cat([_unit(arrays[f"{part}_feat"]) for part in pool])
    classes = torch.cat([_labels(arrays[f"{part}_label"]) for part in pool])
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(classes), generator=generator)
    chosen = torch.cat([order[classes[order] == each][:shots] for each in torch.unique(classes)])
    return features[chosen], classes[chosen]


def _text(names: list[str]) -> tuple[Tensor, list[int]]:
    """Return unit text features `(k, E)`, and the classes that have one."""
    arrays = dict(np.load(folder() / "text_features_a_name.npz"))
    known = {_plain(str(name)): row for row, name in enumerate(arrays["name"])}
    kept = [index for index, name in enumerate(names) if _plain(name) in known]
    rows = [known[_plain(names[index])] for index in kept]
    return _unit(arrays["emb"][rows]), kept


def _plain(name: str) -> str:
    return name.lower().replace("_", " ").replace("-", " ")


def _unit(array: NDArray[np.generic]) -> Tensor:
    return normalize(torch.from_numpy(np.asarray(array, np.float32)), dim=1)


def _labels(array: NDArray[np.generic]) -> Tensor:
    return torch.from_numpy(np.asarray(array, np.int64))


def _only(features: Tensor, classes: Tensor, kept: list[int]) -> tuple[Tensor, Tensor]:
    """Return the rows of some classes, numbered in the order given."""
    rows = torch.isin(classes, torch.tensor(kept))
    number = torch.full((int(classes.max()) + 1,), -1)
    number[torch.tensor(kept)] = torch.arange(len(kept))
    return features[rows], number[classes[rows]]
