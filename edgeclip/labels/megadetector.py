"""Detector results as labels of their own: a sample a box, its likeliest class as the label."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from edgeclip.labels.classes import BLANK
from edgeclip.labels.detections import (
    NOTHING,
    DetectedImage,
    Detection,
    DetectorResults,
    parse_detections,
)
from edgeclip.labels.json_text import Object
from edgeclip.labels.locating import locate
from edgeclip.labels.paths import IMAGE_SUFFIXES, PathFinder
from edgeclip.labels.reading import ReadingOptions
from edgeclip.labels.sample import LabelTable, Problem, Sample


def read_megadetector(options: ReadingOptions, content: Object) -> LabelTable:
    """Return the samples of a detector's results.

    Args:
        options: `data` is the file; paths start at `data_dir`, by default at its own folder.
        content: Of the file.
    """
    parsed = parse_megadetector(options, content)
    finder = PathFinder(options.data_dir or options.data.parent)
    samples, missing = locate(parsed.samples, finder.find)
    return LabelTable(
        options.data, tuple(samples), (*parsed.problems, *missing), tuple(parsed.notes)
    )


def parse_megadetector(options: ReadingOptions, content: Object) -> LabelTable:
    """Return the samples with paths as written: no image file is looked for."""
    results = parse_detections(content, options.zone)
    places = _places([image.file for image in results.images])
    counts: Counter[str] = Counter()
    problems = list(results.problems)
    samples: list[Sample] = []
    for image, place in zip(results.images, places, strict=True):
        if PurePosixPath(image.file).suffix.lower() not in IMAGE_SUFFIXES:
            counts["video"] += 1
        elif image.failure is not None:
            what = f"the detector failed ({image.failure}): left out, not taken as blank"
            problems.append(Problem("unreadable", image.file, what))
        else:
            samples += _samples(image, place, options.box_threshold)
    notes = _notes(results, options, counts, any(places))
    return LabelTable(options.data, tuple(samples), tuple(problems), tuple(notes))


def _notes(
    results: DetectorResults, options: ReadingOptions, counts: Counter[str], has_places: bool
) -> list[str]:
    said = f"format {results.version}" if results.version else "no format version"
    notes = [
        f"detector results ({said})",
        "LABELS ARE A MACHINE'S: what the detector missed counts as blank",
        f"boxes from --box-threshold {options.box_threshold:g} on",
        "location = the first folder that differs" if has_places else "no folder tells a location",
    ]
    if counts["video"]:
        notes.append(f"{counts['video']} files are no images by their suffix: skipped")
    return notes


def _samples(image: DetectedImage, place: str | None, threshold: float) -> Iterator[Sample]:
    sure = [d for d in image.detections if d.confidence >= threshold and d.category not in NOTHING]
    for detection in sure:
        yield _sample(image, place, _label(image, detection), detection)
    if not sure:
        yield _sample(image, place, BLANK, None)


def _label(image: DetectedImage, detection: Detection) -> str:
    if detection.category != "animal":
        return detection.category
    return detection.label or image.label or detection.category


def _sample(
    image: DetectedImage, place: str | None, label: str, detection: Detection | None
) -> Sample:
    return Sample(
        path=Path(image.file),
        label=label,
        location=place,
        captured_at=image.captured_at,
        seq_id=None,
        box=detection.box if detection and not detection.is_own else None,
        where=image.file,
        label_source="machine",
    )


def _places(files: Sequence[str]) -> list[str | None]:
    """Return the folder of each file at the first level where the folders differ.

    Coarse on purpose: a place that is two folders would be on both sides of a split.
    """
    folders = [PurePosixPath(file).parent.parts for file in files]
    depth = 0
    while len({parts[depth] if len(parts) > depth else "" for parts in folders}) == 1 and any(
        len(parts) > depth for parts in folders
    ):
        depth += 1
    return [parts[depth] if len(parts) > depth else None for parts in folders]
