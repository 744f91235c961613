"""What a data set holds, in figures: for `edgeclip data check` and the report."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from edgeclip.errors import DataError
from edgeclip.labels.dataset import Dataset, LabelledImage, count_by_class_and_location
from edgeclip.splits import PARTS, Split, plan_split

FEW_IMAGES, FEW_LOCATIONS = 20, 2  # per class; below, a result says little
_THUMBNAIL_PX = 160


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
    targets: list[str]
    split: str | None
    split_problem: str | None

    def problem_counts(self) -> dict[str, int]:
        """Return the number of problems by kind."""
        return dict(sorted(Counter(problem.kind for problem in self.problems).items()))


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
        warnings=split_warnings + _warnings(lines, targets),
        infrared_share=infrared / len(images),
        small_images=sum(_is_thumbnail(image) for image in images),
        targets=list(targets),
        split=split.level if split else None,
        split_problem=problem,
    )


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


def _warnings(lines: Sequence[ClassLine], targets: Sequence[str]) -> list[str]:
    warnings = []
    for line in lines:
        if line.images < FEW_IMAGES:
            warnings.append(f"{line.name}: {line.images} images, fewer than {FEW_IMAGES}")
        if line.locations < FEW_LOCATIONS:
            warnings.append(f"{line.name}: {line.locations} locations, fewer than {FEW_LOCATIONS}")
    unscored = [line.name for line in lines if line.name not in targets and line.name != "blank"]
    if targets and unscored:
        shown = ", ".join(unscored[:5]) + (f" and {len(unscored) - 5} more" * (len(unscored) > 5))
        warnings.append(f"not targets, so learned but never alerted: {shown}")
    return warnings


def _is_thumbnail(image: LabelledImage) -> bool:
    return max(image.facts.width, image.facts.height) <= _THUMBNAIL_PX
