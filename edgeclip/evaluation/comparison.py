"""Several contenders on the same images, at new places and at known ones, side by side."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeclip.contenders import Contender
from edgeclip.evaluation.bootstrap import Difference, paired_difference
from edgeclip.evaluation.images import JudgedImages
from edgeclip.evaluation.judging import Judgement, decided, judge
from edgeclip.evaluation.metrics import f1, macro_f1

NEW, KNOWN, ALL = "new places", "known places", "all images"
MACRO_F1 = "macro-F1"
_FEWEST = 5  # images of a target, for a word about known and new places


@dataclass(frozen=True)
class Scope:
    """All contenders on one set of images.

    Attributes:
        name: `new places`, `known places`, or `all images` where that is not known.
        rows: Positions of its images among all that were judged; without those that have the label
            of their sequence, which count for sequences, visits and alarms alone.
        judged: These images.
        judgements: By contender, the pack first.
        differences: The pack's F1 against each other contender's, by its name: of each target, and
            the macro-F1.
    """

    name: str
    rows: tuple[int, ...]
    judged: JudgedImages
    judgements: Mapping[str, Judgement]
    differences: Mapping[str, Mapping[str, Difference]]

    @property
    def main(self) -> Judgement:
        """The pack's judgement."""
        return next(iter(self.judgements.values()))

    @property
    def is_of_sequence_labels(self) -> bool:
        """Whether none of its images has a label of its own, so that they count as frames too."""
        return all(image.sequence_level for image in self.judged.images)


@dataclass(frozen=True)
class Comparison:
    """Everything that was measured.

    Attributes:
        judged: All n images.
        contenders: On all n images, the pack first.
        targets: Classes with thresholds.
        scopes: The most telling first: new places, then known ones.
    """

    judged: JudgedImages
    contenders: tuple[Contender, ...]
    targets: tuple[str, ...]
    scopes: tuple[Scope, ...]

    @property
    def headline(self) -> Scope:
        """The scope whose figures count."""
        return self.scopes[0]

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know of scopes whose frames have labels of their sequences alone."""
        return tuple(
            f"{scope.name}: all {len(scope.rows)} images have the label of their whole sequence,"
            " and a frame may lack the animal: read the figures of sequences, not those of single"
            " images"
            for scope in self.scopes
            if scope.is_of_sequence_labels
        )

    @property
    def gaps(self) -> dict[str, float]:
        """F1 at known places minus F1 at new ones, by target.

        Only of targets with five images or more at either: of one image, F1 is 0 or 1.
        """
        by_name = {scope.name: scope for scope in self.scopes}
        if not {NEW, KNOWN} <= set(by_name):
            return {}
        known, new = by_name[KNOWN].main.frames.targets, by_name[NEW].main.frames.targets
        enough = [
            target
            for target in self.targets
            if min(known[target].support, new[target].support) >= _FEWEST
        ]
        found = {target: known[target].f1 - new[target].f1 for target in enough}
        return {target: gap for target, gap in found.items() if math.isfinite(gap)}


def compare(
    contenders: Sequence[Contender],
    judged: JudgedImages,
    *,
    targets: Sequence[str],
    is_known_place: Sequence[bool] | None,
) -> Comparison:
    """Return the figures of all contenders.

    Args:
        contenders: The pack first; each on exactly these images.
        judged: n >= 1 images.
        targets: Classes with thresholds.
        is_known_place: Whether the place of each image also trained; None where nobody knows.

    Raises:
        ValueError: A contender has other images or classes, or lacks the threshold of a target.
    """
    for contender in contenders:
        _check(contender, judged, targets)
    scopes = []
    for name, rows in _rows(judged, is_known_place):
        every = judged.among(rows, by_sequence=name == KNOWN)
        judgements = {c.name: judge(c.among(rows), every, targets) for c in contenders}
        own = every.frame_rows
        among = every.among(own, by_sequence=name == KNOWN)
        main = judgements[contenders[0].name]
        differences = {
            name: _differences(main, other, among, targets)
            for name, other in judgements.items()
            if other is not main
        }
        scopes.append(Scope(name, tuple(rows[row] for row in own), among, judgements, differences))
    return Comparison(judged, tuple(contenders), tuple(targets), tuple(scopes))


def _rows(
    judged: JudgedImages, is_known_place: Sequence[bool] | None
) -> list[tuple[str, list[int]]]:
    every = range(len(judged.images))
    if is_known_place is None:
        return [(ALL, list(every))]
    new = [row for row in every if not is_known_place[row]]
    known = [row for row in every if is_known_place[row]]
    return [(name, rows) for name, rows in ((NEW, new), (KNOWN, known)) if rows]


def _differences(
    ours: Judgement, theirs: Judgement, judged: JudgedImages, targets: Sequence[str]
) -> dict[str, Difference]:
    mine, other = (decided(j.frames, judged.class_names) for j in (ours, theirs))
    found = {}
    for target in targets:
        number = list(judged.class_names).index(target)
        found[target] = paired_difference(
            mine == number, other == number, judged.is_target(target), judged.groups, metric=f1
        )
    labels: list[NDArray[np.int64]] = [
        judgement.contender.probabilities.argmax(axis=1) for judgement in (ours, theirs)
    ]
    found[MACRO_F1] = paired_difference(
        labels[0], labels[1], judged.classes, judged.groups, metric=macro_f1
    )
    return found


def _check(contender: Contender, judged: JudgedImages, targets: Sequence[str]) -> None:
    expected = (len(judged.images), len(judged.class_names))
    if contender.probabilities.shape != expected:
        raise ValueError(
            f"{contender.name}: probabilities are {contender.probabilities.shape}, the images and"
            f" classes are {expected}"
        )
    if missing := [target for target in targets if target not in contender.thresholds]:
        raise ValueError(f"{contender.name}: no threshold of {missing[0]}")
