"""Several labels or boxes of one image -> what is learned of it, by the policy asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edgeclip.labels.boxes import area
from edgeclip.labels.classes import BLANK
from edgeclip.labels.reading import Multi
from edgeclip.labels.sample import Problem, Sample


@dataclass
class Chosen:
    """What is kept of all samples.

    Attributes:
        samples: In the order given.
        problems: Images of several classes, and what became of each.
        same_class: Images of one class with several boxes.
    """

    samples: list[Sample] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    same_class: int = 0


def choose_samples(
    samples: Sequence[Sample], policy: Multi, class_of: Callable[[str], str | None]
) -> Chosen:
    """Return what is kept of images that have several samples.

    Args:
        samples: Each has a class.
        policy: `drop` leaves out images of several classes; `first` keeps the first sample,
            `largest-box` the one with the largest box; `multi` keeps one a box, and one a class
            without boxes. Of an image of one class, all but `first` and `multi` keep the largest
            box. A blank beside an animal is no blank, under every policy.
        class_of: Class of a label.
    """
    chosen = Chosen()
    by_path: dict[Path, list[Sample]] = {}
    for sample in samples:
        by_path.setdefault(sample.path, []).append(sample)
    for group in by_path.values():
        if len(group) == 1:
            chosen.samples += group
        else:
            _choose(group, policy, class_of, chosen)
    return chosen


def _choose(
    group: Sequence[Sample], policy: Multi, class_of: Callable[[str], str | None], chosen: Chosen
) -> None:
    names = list(dict.fromkeys(class_of(sample.label) for sample in group))
    if BLANK in names and len(names) > 1:
        group = [sample for sample in group if class_of(sample.label) != BLANK]
        names.remove(BLANK)
        _say(group, chosen, f"blank beside {' and '.join(map(str, names))}: not taken as blank")
    boxes = {(_box(sample)) for sample in group} - {None}
    chosen.same_class += len(names) == 1 and len(boxes) > 1
    if policy == "multi":
        kept = _one_a_box(group, class_of)
    elif policy == "first":
        kept = [group[0]]
    elif policy == "drop" and len(names) > 1:
        kept = []
    else:
        kept = [max(group, key=lambda sample: area(_box(sample)))]  # of equals the first
    chosen.samples += kept
    if len(names) > 1:
        what = {"drop": "left out", "multi": f"used {len(kept)} times"}.get(
            policy, f"taken as {class_of(kept[0].label)}" if kept else ""
        )
        _say(group, chosen, f"{' and '.join(map(str, names))}: {what} (--multi {policy})")


def _one_a_box(group: Sequence[Sample], class_of: Callable[[str], str | None]) -> list[Sample]:
    """Return the samples with distinct boxes, and one of each class that has no box."""
    with_box = {class_of(sample.label) for sample in group if _box(sample)}
    seen: dict[object, Sample] = {}
    for sample in group:
        name, box = class_of(sample.label), _box(sample)
        if box or name not in with_box:
            seen.setdefault((name, box), sample)
    return list(seen.values())


def _box(sample: Sample) -> tuple[float, float, float, float] | None:
    return sample.box or sample.pixel_box


def _say(group: Sequence[Sample], chosen: Chosen, what: str) -> None:
    chosen.problems.append(Problem("several", group[0].where, what))
