"""What the figures of a pack suggest to do next, in plain sentences, most useful first."""

from __future__ import annotations

import math
from collections import Counter

from edgeclip.evaluation.bootstrap import FEW_GROUPS
from edgeclip.evaluation.comparison import Comparison, Scope
from edgeclip.evaluation.judging import decided
from edgeclip.evaluation.slices import Slice

_FEW_IMAGES = 10
_CLEAR_GAP = 0.10  # of F1 or recall
_MOST_OF_ALARMS = 0.5
_LEAST_ALARMS = 3
_DOUBTFUL_ECE = 0.10


def advice(comparison: Comparison) -> list[str]:
    """Return sentences; empty where nothing stands out."""
    scope = comparison.headline
    found = [_places(scope)]
    for target in comparison.targets:
        found += [
            _support(scope, target),
            _rivals(scope, target),
            _gap(comparison, target),
            _alarms(scope, target),
            _night(scope, target),
            _small(scope, target),
        ]
    return [sentence for sentence in (*found, _calibration(scope)) if sentence]


def _places(scope: Scope) -> str | None:
    places = len({image.location for image in scope.judged.images if image.location})
    if places >= FEW_GROUPS:
        return None
    said = f"only {places} places were" if places != 1 else "only one place was"
    if places == 0:
        said = "no place was known where these images were"
    return (
        f"{said.capitalize()} tested: how the pack does elsewhere is hardly known. Label images of"
        f" at least {FEW_GROUPS} more places before you rely on the figures."
    )


def _support(scope: Scope, target: str) -> str | None:
    support = scope.main.frames.targets[target].support
    if support >= _FEW_IMAGES:
        return None
    if support == 0:
        return f"No test image shows {target}: its recall is not known. Label some that do."
    shown = "1 test image shows" if support == 1 else f"{support} test images show"
    return (
        f"Only {shown} {target}: one image more or less moves the figures much."
        " Label more, from other places."
    )


def _rivals(scope: Scope, target: str) -> str | None:
    better = [name for name, own in scope.differences.items() if own[target].is_worse]
    if not better:
        return None
    return (
        f"{' and '.join(better)} found {target} clearly better than this pack: train on more"
        " places, or use that instead."
    )


def _gap(comparison: Comparison, target: str) -> str | None:
    gap = comparison.gaps.get(target, 0.0)
    if gap < _CLEAR_GAP:
        return None
    return (
        f"{target.capitalize()} is recognised clearly better at places that trained the pack (F1"
        f" higher by {gap:.2f}): add images of more places rather than more images of the same."
    )


def _alarms(scope: Scope, target: str) -> str | None:
    number = list(scope.judged.class_names).index(target)
    called = decided(scope.main.frames, scope.judged.class_names) == number
    wrong = called & ~scope.judged.is_target(target)
    by_place = Counter(
        place for place, is_wrong in zip(scope.judged.locations, wrong, strict=True) if is_wrong
    )
    if wrong.sum() < _LEAST_ALARMS or len(set(scope.judged.locations)) < 2:
        return None
    place, count = by_place.most_common(1)[0]
    if count < _MOST_OF_ALARMS * wrong.sum():
        return None
    return (
        f"{count} of {int(wrong.sum())} false alarms for {target} come from {place}: add images"
        " without the animal from there to the training, or mask what moves in its view."
    )


def _night(scope: Scope, target: str) -> str | None:
    lights = {item.name: item for item in scope.main.slices if item.kind == "light"}
    if len(lights) < 2:
        return None
    (day, by_day), (night, by_night) = (
        (_recall(item, target), item.targets[target].support) for item in lights.values()
    )
    if min(by_day, by_night) < _FEW_IMAGES or abs(day - night) < _CLEAR_GAP:
        return None
    worse, other = ("night", "day") if night < day else ("day", "night")
    return (
        f"{target.capitalize()} is missed more often by {worse} (found {min(day, night):.0%}) than"
        f" by {other} ({max(day, night):.0%}): label more images taken by {worse}."
    )


def _small(scope: Scope, target: str) -> str | None:
    sizes = [item for item in scope.main.slices if item.kind == "size"]
    if not sizes or min(item.targets[target].support for item in sizes) < _FEW_IMAGES:
        return None
    small, large = _recall(sizes[0], target), _recall(sizes[-1], target)
    if large - small < _CLEAR_GAP:
        return None
    return (
        f"Small or distant {target} is found in {small:.0%} of its images, large in {large:.0%}:"
        " add boxes and distant animals to the training images."
    )


def _calibration(scope: Scope) -> str | None:
    error = scope.main.reliability.error
    if error < _DOUBTFUL_ECE:
        return None
    return (
        f"The probabilities are off by {error:.0%} on average: take them for an order, not for a"
        " share of right answers."
    )


def _recall(item: Slice, target: str) -> float:
    value = item.targets[target].recall
    return value if math.isfinite(value) else 0.0
