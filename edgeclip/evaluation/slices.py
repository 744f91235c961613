"""The same figures by circumstances: day and night, size of the animal, place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edgeclip.evaluation.bootstrap import Interval, bootstrap_interval
from edgeclip.evaluation.images import UNKNOWN_PLACE, JudgedImages
from edgeclip.evaluation.metrics import f1, plain, precision, recall

Kind = Literal["light", "size", "place"]
_SIZES = ("small", "middle-sized", "large")


@dataclass(frozen=True)
class TargetSlice:
    """One target in one slice; figures that are not defined are nan."""

    support: int
    called: int
    precision: float
    recall: float
    f1: Interval


@dataclass(frozen=True)
class Slice:
    """Some of the images.

    Attributes:
        kind: By what it was made.
        name: As a person reads it.
        images: How many.
        right: Share of right decisions, in [0, 1].
        targets: By class name.
    """

    kind: Kind
    name: str
    images: int
    right: float
    targets: Mapping[str, TargetSlice]


def slices_of(
    judged: JudgedImages, decisions: NDArray[np.int64], targets: list[int]
) -> list[Slice]:
    """Return day and night, sizes of the animal where boxes exist, and every place.

    A slice by size holds images with a box only, so that it tells of recall and not of false
    alarms.

    Args:
        judged: n images.
        decisions: `(n,)` int64: the target that was called, -1 where none was.
        targets: Class numbers.
    """
    return [
        _slice(kind, name, rows, judged, decisions, targets)
        for kind, name, rows in _rows(judged)
        if len(rows)
    ]


def _rows(judged: JudgedImages) -> Iterator[tuple[Kind, str, NDArray[np.int64]]]:
    infrared = np.asarray([image.facts.is_infrared for image in judged.images], bool)
    yield "light", "by day", np.flatnonzero(~infrared)
    yield "light", "by night (infrared)", np.flatnonzero(infrared)
    areas = judged.box_areas()
    boxed = np.flatnonzero(np.isfinite(areas) & (judged.classes != judged.blank))
    if len(boxed) >= len(_SIZES):
        edges = np.quantile(areas[boxed], [1 / 3, 2 / 3])
        sizes = np.searchsorted(edges, areas[boxed], side="left")
        for number, name in enumerate(_SIZES):
            yield "size", _sized(name, number, edges), boxed[sizes == number]
    places = np.asarray(judged.locations)
    for place in sorted(set(judged.locations), key=lambda name: (name == UNKNOWN_PLACE, name)):
        yield "place", place, np.flatnonzero(places == place)


def _sized(name: str, number: int, edges: NDArray[np.float64]) -> str:
    low, high = (f"{100 * edge:.2g} %" for edge in edges)
    return f"{name} ({(f'below {low}', f'{low} to {high}', f'above {high}')[number]} of the frame)"


def _slice(
    kind: Kind,
    name: str,
    rows: NDArray[np.int64],
    judged: JudgedImages,
    decisions: NDArray[np.int64],
    targets: list[int],
) -> Slice:
    truth, said = judged.classes[rows], decisions[rows]
    expected = np.where(np.isin(truth, targets), truth, -1)
    groups = [judged.groups[row] for row in rows]
    return Slice(
        kind=kind,
        name=name,
        images=len(rows),
        right=float((said == expected).mean()),
        targets={
            judged.class_names[target]: _target(said == target, truth == target, groups)
            for target in targets
        },
    )


def _target(
    called: NDArray[np.bool_], is_target: NDArray[np.bool_], groups: list[str]
) -> TargetSlice:
    return TargetSlice(
        support=int(is_target.sum()),
        called=int(called.sum()),
        precision=plain(precision, called, is_target),
        recall=plain(recall, called, is_target),
        f1=bootstrap_interval(called, is_target, groups, metric=f1),
    )
