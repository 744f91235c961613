"""What a data set holds, in figures: for `edgeclip data check` and the report."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pydantic import BaseModel, ConfigDict

from edgeclip.contract.plurals import first_of
from edgeclip.errors import DataError
from edgeclip.labels.classes import empty_target_doubt
from edgeclip.labels.dataset import Dataset, LabelledImage, count_by_class_and_location
from edgeclip.labels.sequence_labels import for_learning
from edgeclip.split_rows import PARTS
from edgeclip.splits import Split, plan_split

FEW_IMAGES, FEW_LOCATIONS = 20, 2  # per class; below, a result says little
_THUMBNAIL_PX = 160
_MOST_NAMED = 8


class ProblemLine(BaseModel):
    """One thing that was left out or doubted."""

    model_config = ConfigDict(frozen=True)

    kind: str
    where: str
    what: str


class ClassLine(BaseModel):
    """One class of the data set."""

    model_config = ConfigDict(frozen=True)

    name: str
    images: int
    sequences: int
    locations: int
    infrared: int
    with_box: int
    by_location: dict[str, int]
    by_part: dict[str, int]


class DataSummary(BaseModel):
    """All figures of a data set, and the split that training would use.

    Attributes:
        bursts: Sequences of two or more images.
        longest_burst: Images of the longest sequence.
        shots: Shots of which there are several files, or scenes without any time.
        alike: Images of these.
        times: Who says when the images were taken -> how many.
        first: The earliest time, ISO 8601 UTC, or None.
        last: The latest.
        split: What is kept apart, or None where no split exists; `split_problem` says why.
    """

    model_config = ConfigDict(frozen=True)

    source: str
    rows: int
    usable: int
    classes: list[ClassLine]
    left_out: dict[str, int]
    problems: list[ProblemLine]
    notes: list[str]
    warnings: list[str]
    infrared_share: float
    small_images: int
    sequences: int
    bursts: int
    longest_burst: int
    shots: int
    alike: int
    times: dict[str, int]
    first: str | None
    last: str | None
    targets: list[str]
    split: str | None
    split_problem: str | None

    def problem_counts(self) -> dict[str, int]:
        """Return the number of problems by kind."""
        return dict(sorted(Counter(problem.kind for problem in self.problems).items()))


def checked(dataset: Dataset, targets: Sequence[str], *, seed: int) -> DataSummary:
    """Return the figures of what a training would learn from, with the split that it would get.

    Where all labels are of sequences that is nothing: then of all images, without a split.

    Args:
        dataset: Usable images and problems.
        targets: As asked for; empty for all classes but blank.
        seed: Of the split.

    Raises:
        ConfigError: A target is no class of the data.
    """
    try:
        learned = for_learning(dataset)
    except DataError as error:
        noted = replace(dataset, notes=(*dataset.notes, str(error)))
        return summary_of(noted, targets, None, str(error))
    return summarise(learned, targets, seed=seed)


def summarise(dataset: Dataset, targets: Sequence[str], *, seed: int) -> DataSummary:
    """Return the figures of a data set, with the split that it would get.

    Args:
        dataset: Usable images and problems.
        targets: As asked for; empty for all classes but blank.
        seed: Of the split.

    Raises:
        ConfigError: A target is no class of the data.
    """
    try:
        chosen, split = plan_split(dataset.images, dataset.class_names, targets, seed=seed)
    except DataError as error:
        return summary_of(dataset, targets, None, str(error))
    return summary_of(dataset, chosen, split)


def summary_of(
    dataset: Dataset, targets: Sequence[str], split: Split | None, problem: str | None = None
) -> DataSummary:
    """Return the figures of a data set under a split that is already made.

    Args:
        dataset: Usable images and problems.
        targets: The classes that are scored.
        split: Of its images, or None.
        problem: Why there is no split.
    """
    images = dataset.images
    lines = [_class_line(name, dataset, split) for name in dataset.class_names]
    split_warnings = list(split.warnings) if split else []
    infrared = sum(image.facts.is_infrared for image in images)
    return DataSummary(
        source=dataset.source.name,
        rows=dataset.rows,
        usable=len(images),
        classes=lines,
        left_out=dict(dataset.left_out),
        problems=[ProblemLine(kind=p.kind, where=p.where, what=p.what) for p in dataset.problems],
        notes=list(dataset.notes),
        warnings=[*dataset.warnings, *split_warnings, *_warnings(lines, targets, images)],
        infrared_share=infrared / len(images),
        small_images=sum(_is_thumbnail(image) for image in images),
        **_grouping(images),
        **_times(images),
        targets=list(targets),
        split=split.level if split else None,
        split_problem=problem,
    )


def _grouping(images: Sequence[LabelledImage]) -> dict[str, Any]:
    """Return the figures of bursts and of images that are alike."""
    sizes = Counter(image.sequence for image in images)
    alike = [image.near_duplicate for image in images if image.near_duplicate]
    return {
        "sequences": len(sizes),
        "bursts": sum(size > 1 for size in sizes.values()),
        "longest_burst": max(sizes.values()),
        "shots": len(set(alike)),
        "alike": len(alike),
    }


def _times(images: Sequence[LabelledImage]) -> dict[str, Any]:
    """Return who says when the images were taken, and from when to when."""
    known = sorted(image.captured_at for image in images if image.captured_at)
    return {
        "times": dict(Counter(str(i.time_origin or "labels") for i in images if i.captured_at)),
        "first": known[0].isoformat() if known else None,
        "last": known[-1].isoformat() if known else None,
    }


def _class_line(name: str, dataset: Dataset, split: Split | None) -> ClassLine:
    own = [index for index, image in enumerate(dataset.images) if image.class_name == name]
    images = [dataset.images[index] for index in own]
    counts = count_by_class_and_location(images)
    by_part: dict[str, int] = defaultdict(int)
    for index in own if split else ():
        by_part[split.parts[index] if split else ""] += 1
    return ClassLine(
        name=name,
        images=len(own),
        sequences=len({image.sequence for image in images}),
        locations=len({image.location for image in images if image.location}),
        infrared=sum(image.facts.is_infrared for image in images),
        with_box=sum(image.box is not None for image in images),
        by_location={place: count for (_, place), count in sorted(counts.items())},
        by_part={part: by_part[part] for part in PARTS},
    )


def _warnings(
    lines: Sequence[ClassLine], targets: Sequence[str], images: Sequence[LabelledImage]
) -> list[str]:
    warnings = []
    few = [f"{line.name} {line.images}" for line in lines if line.images < FEW_IMAGES]
    if few:
        warnings.append(f"fewer than {FEW_IMAGES} images: {first_of(few, _MOST_NAMED)}")
    near = [f"{line.name} {line.locations}" for line in lines if line.locations < FEW_LOCATIONS]
    if near:
        warnings.append(f"fewer than {FEW_LOCATIONS} locations: {first_of(near, _MOST_NAMED)}")
    copied = sum(image.time_origin == "file's own time" for image in images)
    if copied:
        warnings.append(f"{copied} times are the files' own: a copy has that of the copying")
    if doubt := empty_target_doubt(targets):
        warnings.append(doubt)
    unscored = [line.name for line in lines if line.name not in targets and line.name != "blank"]
    if targets and unscored:
        warnings.append(
            f"not targets, so learned but never alerted: {first_of(unscored, _MOST_NAMED)}"
        )
    return warnings


def _is_thumbnail(image: LabelledImage) -> bool:
    return max(image.facts.width, image.facts.height) <= _THUMBNAIL_PX
