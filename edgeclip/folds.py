"""Leave whole places out, one round after the other, among training and validation images."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edgeclip.errors import DataError
from edgeclip.labels.dataset import LabelledImage
from edgeclip.parts import PartData
from edgeclip.split_groups import location_groups, sequence_groups

FoldLevel = Literal["location", "location or sequence", "sequence", "validation part"]


@dataclass(frozen=True)
class Fold:
    """One round: what is fitted to, and what is judged.

    Attributes:
        fit: Rows of regions, all views.
        held: Rows of regions of the other images, first views alone.
    """

    fit: NDArray[np.int64]
    held: NDArray[np.int64]


@dataclass(frozen=True)
class Folds:
    """All rounds; no image is held out twice.

    Attributes:
        folds: One or more.
        level: What is kept apart. `location or sequence`: a class that is no target stands at one
            place alone, whose sequences are kept apart. `sequence`: nothing is known about other
            places.
    """

    folds: tuple[Fold, ...]
    level: FoldLevel

    @property
    def held(self) -> NDArray[np.int64]:
        """Rows of all held-out regions, in the order of the rounds."""
        return np.concatenate([fold.held for fold in self.folds])


def plan_folds(
    part: PartData, targets: Sequence[int], validation: Sequence[int], most: int
) -> Folds:
    """Return rounds over locations, or over blocks of sequences in time where that cannot be.

    Every fit must see each class that its round is judged on. Where all blanks come from one
    place, it is therefore held out sequence by sequence, and every other place whole.

    Args:
        part: Training and validation images, all views.
        targets: Indices of the classes that are scored.
        validation: Images that the split sets apart; with `most` = 1 they are the one round.
        most: Rounds at the most.

    Raises:
        DataError: A target stands in one sequence alone.
    """
    if most == 1:
        apart = set(validation)
        one = {region.image: int(region.image in apart) for region in part.regions}
        return Folds(_rounds(part, one)[1:], "validation part")
    used = sorted({region.image for region in part.regions})
    images = [part.images[index] for index in used]
    classes = part.classes_of(used)
    for level, groups in _levels(images, classes.tolist(), targets):
        numbers = _balanced(groups, classes.tolist(), targets, most)
        if numbers is not None:
            return Folds(_rounds(part, dict(zip(used, numbers, strict=True))), level)
    names = ", ".join(part.class_names[target] for target in targets)
    raise DataError(
        f"{names} outside the test part stands in one sequence: nothing could be held out to judge"
        " a method; add images of other moments"
    )


def _levels(
    images: Sequence[LabelledImage], classes: Sequence[int], targets: Sequence[int]
) -> list[tuple[FoldLevel, list[str]]]:
    """Return what may be kept together, the strictest first."""
    places = location_groups(images)
    sequences = sequence_groups(images, places)
    places_of: dict[int, set[str]] = defaultdict(set)
    for class_index, place in zip(classes, places, strict=True):
        places_of[class_index].add(place)
    only = {c: next(iter(own)) for c, own in places_of.items() if len(own) == 1}
    if set(only) & set(targets):
        return [("sequence", sequences)]
    torn = set(only.values())
    groups = [s if p in torn else p for p, s in zip(places, sequences, strict=True)]
    return [("location or sequence" if torn else "location", groups), ("sequence", sequences)]


def _balanced(
    groups: Sequence[str], classes: Sequence[int], targets: Sequence[int], most: int
) -> list[int] | None:
    """Return the fold of each image, or None where a target cannot stand in two folds.

    The largest groups first, each to the fold that has the least of its classes. Then single groups
    are moved, so that classes that have two groups or more stand in two folds or more, targets
    before others: what a round is judged on, its fit must have seen.
    """
    counts: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for group, class_index in zip(groups, classes, strict=True):
        counts[group][class_index] += 1
    with_target = [sum(t in own for own in counts.values()) for t in targets]
    number = min(most, len(counts), max(min(with_target, default=0), 2))
    if number < 2 or min(with_target, default=0) < 2:
        return None
    totals = {c: sum(own.get(c, 0) for own in counts.values()) for c in set(classes)}
    loads = [dict.fromkeys(totals, 0.0) for _ in range(number)]
    fold_of: dict[str, int] = {}
    for group in sorted(counts, key=lambda name: (-sum(counts[name].values()), name)):
        shares = {c: n / totals[c] for c, n in counts[group].items()}
        fold = min(range(number), key=lambda k: (_load(loads[k], shares), sum(loads[k].values())))
        fold_of[group] = fold
        for class_index, share in shares.items():
            loads[fold][class_index] += share
    _spread(fold_of, counts, (targets, sorted(set(totals) - set(targets))), number)
    if any(_is_together(fold_of, counts, target) for target in targets):
        return None
    return [fold_of[group] for group in groups]


def _spread(
    fold_of: dict[str, int],
    counts: Mapping[str, Mapping[int, int]],
    classes: tuple[Sequence[int], Sequence[int]],
    number: int,
) -> None:
    """Move single groups so that fewer classes stand in one fold alone that have groups for two.

    A target that is spread stays so, and a target is worth any number of other classes. Not every
    class can always be spread: of three groups with two of three classes each, two folds tear two.

    Args:
        fold_of: The fold of each group; changed.
        counts: Images by group and class.
        classes: The targets, and the others; the most important first.
        number: Of folds.
    """

    def together() -> tuple[set[int], set[int]]:
        """Return the targets, and the other classes, that stand in one fold alone."""
        targets, others = ({c for c in own if _is_together(fold_of, counts, c)} for own in classes)
        return targets, others

    for class_index in (*classes[0], *classes[1]):
        own = sorted((g for g in fold_of if counts[g].get(class_index)), key=_size(counts))
        moves = [(group, fold) for group in own for fold in range(number)]
        for group, fold in moves:
            before, (targets, others) = fold_of[group], together()
            if class_index not in targets | others:
                break
            fold_of[group] = fold
            now, rest = together()
            if not (now < targets or (now == targets and len(rest) < len(others))):
                fold_of[group] = before


def _size(counts: Mapping[str, Mapping[int, int]]) -> Callable[[str], tuple[int, str]]:
    return lambda group: (sum(counts[group].values()), group)


def _is_together(
    fold_of: Mapping[str, int], counts: Mapping[str, Mapping[int, int]], class_index: int
) -> bool:
    """Say whether a class has two groups or more, and all of them in one fold."""
    own = [group for group in fold_of if counts[group].get(class_index)]
    return len(own) > 1 and len({fold_of[group] for group in own}) == 1


def _load(load: dict[int, float], shares: dict[int, float]) -> float:
    return sum(load[class_index] * share for class_index, share in shares.items())


def _rounds(part: PartData, fold_of: dict[int, int]) -> tuple[Fold, ...]:
    number = np.asarray([fold_of[region.image] for region in part.regions], np.int64)
    first = np.asarray([region.view == 0 for region in part.regions])
    return tuple(
        Fold(np.flatnonzero(number != fold), np.flatnonzero((number == fold) & first))
        for fold in sorted(set(fold_of.values()))
    )
