"""Sequences of training places that are set apart to test at places that training knows."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence

import numpy as np

from edgeclip.split_groups import Images

_SHARE = 0.15  # of each class's sequences at the training places
_LEAST_SEQUENCES = 7  # of each target and of the rest: with fewer, training would go hungry


def choose_seen(
    images: Images,
    bursts: Sequence[str],
    training: Sequence[int],
    targets: Sequence[str],
    *,
    seed: int,
    barred: Collection[str] = (),
) -> list[int]:
    """Return the images to take out of training, whole sequences; none where it has few.

    Each class gives 15 % of its sequences, places in turn, and no place gives its last one.

    Args:
        images: All images.
        bursts: The sequence of each image.
        training: Indices of the training part.
        targets: Classes that are scored.
        seed: Of the choice.
        barred: Sequences that are never taken.
    """
    kinds = _kinds(images, bursts, training)
    by_class = Counter(class_name for class_name, _ in kinds.values())
    others = sum(count for name, count in by_class.items() if name not in targets)
    if min([others, *(by_class[name] for name in targets)]) < _LEAST_SEQUENCES:
        return []
    chosen: set[str] = set()
    for class_name in sorted(by_class):
        own = {burst: place for burst, (name, place) in kinds.items() if name == class_name}
        chosen |= _spread(own, int(_SHARE * len(own)), seed, barred)
    taken = [index for index in training if bursts[index] in chosen]
    held = {images[index].class_name for index in taken}
    return taken if set(targets) <= held and held - set(targets) else []


def _kinds(
    images: Images, bursts: Sequence[str], training: Sequence[int]
) -> dict[str, tuple[str, str]]:
    """Return the class and place of each training sequence: its commonest class."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    places: dict[str, str] = {}
    for index in training:
        if (place := images[index].location) is not None:
            counts[bursts[index]][images[index].class_name] += 1
            places.setdefault(bursts[index], place)
    return {burst: (own.most_common(1)[0][0], places[burst]) for burst, own in counts.items()}


def _spread(places: dict[str, str], count: int, seed: int, barred: Collection[str]) -> set[str]:
    """Return up to `count` sequences: of the place with the most left first."""
    rng = np.random.default_rng(seed)
    left: dict[str, list[str]] = defaultdict(list)
    for burst in rng.permutation(sorted(places)):
        left[places[str(burst)]].append(str(burst))
    free = {
        place: [burst for burst in own if burst not in barred]
        for place, own in sorted(left.items())
    }
    remaining = {place: len(own) for place, own in left.items()}
    chosen: set[str] = set()
    while len(chosen) < count:
        several = (place for place in free if remaining[place] > 1)
        place = max(several, key=lambda p: (len(free[p]) > 0, remaining[p]), default=None)
        if place is None or not free[place]:
            break
        chosen.add(free[place].pop())
        remaining[place] -= 1
    return chosen
