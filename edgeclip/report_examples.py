"""The images that a report shows: false alarms first, then missed, then found; doubtful labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgeclip.errors import DataError
from edgeclip.evaluation.comparison import Comparison
from edgeclip.evaluation.doubts import label_doubts
from edgeclip.figures import thumbnail
from edgeclip.labels.dataset import LabelledImage
from edgeclip.labels.scan import read_image_file

MOST_EXAMPLES = 12  # of false alarms, of missed ones, of doubtful labels
MOST_FOUND = 5


@dataclass(frozen=True)
class Example:
    """One image with what the pack said of it.

    Attributes:
        thumbnail: A data URI; empty where the file cannot be read any more.
        truth: Its label.
        said: What the pack called it, or `no alarm`.
        probability: Of the target that it is about.
        where: Location, time, and whether the place was known.
        file: Its name.
    """

    thumbnail: str
    truth: str
    said: str
    probability: float
    where: str
    file: str


@dataclass(frozen=True)
class ExampleGroup:
    """Examples of one kind: its name, how many there are in all, and the most telling ones."""

    name: str
    total: int
    shown: Sequence[Example]


def examples(comparison: Comparison) -> list[ExampleGroup]:
    """Return false alarms, the surest first; missed ones, the least sure first; found ones.

    New places come first in each group.
    """
    rows: dict[str, list[tuple[int, float, int, int]]] = {
        "False alarms": [], "Missed": [], "Found": [],
    }  # fmt: skip
    names = list(comparison.judged.class_names)
    for order, scope in enumerate(comparison.scopes):
        main = scope.main
        for position, image in enumerate(scope.judged.images):
            said, truth = main.frames.decisions[position], image.class_name
            key = (order, position)
            if said is not None and said != truth:
                p = float(main.contender.probabilities[position, names.index(said)])
                rows["False alarms"].append((order, -p, *key))
            elif truth in comparison.targets:
                p = float(main.contender.probabilities[position, names.index(truth)])
                if said is None:
                    rows["Missed"].append((order, p, *key))
                else:
                    rows["Found"].append((order, -p, *key))
    return [
        ExampleGroup(
            name,
            len(found),
            [
                _example(comparison, order, position, abs(p))
                for _, p, order, position in sorted(found)[
                    : MOST_FOUND if name == "Found" else MOST_EXAMPLES
                ]
            ],
        )
        for name, found in rows.items()
    ]


def doubtful_labels(comparison: Comparison) -> ExampleGroup:
    """Return the images whose label the pack contradicts with confidence."""
    main, names = comparison.contenders[0], comparison.judged.class_names
    doubts = label_doubts(main.probabilities, comparison.judged.classes)
    shown = []
    for doubt in doubts[:MOST_EXAMPLES]:
        image = comparison.judged.images[doubt.row]
        shown.append(_tile(image, names[doubt.said], doubt.probability, ""))
    return ExampleGroup("Labels to look at first", len(doubts), shown)


def _example(comparison: Comparison, order: int, position: int, probability: float) -> Example:
    scope = comparison.scopes[order]
    image = scope.judged.images[position]
    said = scope.main.frames.decisions[position] or "no alarm"
    kind = {"new places": "new place", "known places": "known place"}.get(scope.name, "")
    return _tile(image, said, probability, kind)


def _tile(image: LabelledImage, said: str, probability: float, kind: str) -> Example:
    try:
        small = thumbnail(read_image_file(image.path))
    except DataError:  # removed since it was encoded: the figures stand, the picture is missing
        small = ""
    at = f"{image.captured_at:%Y-%m-%d %H:%M}" if image.captured_at else ""
    where = [image.location, kind, at] if image.location else ["unknown place", at]
    return Example(
        thumbnail=small,
        truth=image.class_name,
        said=said,
        probability=probability,
        where=", ".join(part for part in where if part),
        file=image.path.name,
    )
