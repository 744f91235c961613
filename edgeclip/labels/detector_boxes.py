"""Boxes of a detector's results put onto images that people labelled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from edgeclip.errors import DataError
from edgeclip.labels.classes import observation_type
from edgeclip.labels.detections import (
    DetectedImage,
    Detection,
    is_detector_results,
    parse_detections,
)
from edgeclip.labels.json_text import load_object
from edgeclip.labels.paths import PathFinder
from edgeclip.labels.reading import ReadingOptions
from edgeclip.labels.sample import LabelTable, Problem, Sample

_CATEGORY_OF = {"animal": "animal", "human": "person", "vehicle": "vehicle"}


def with_detector_boxes(table: LabelTable, options: ReadingOptions) -> LabelTable:
    """Return the samples with the boxes of `options.boxes`, where they have none of their own.

    A sample gets the surest box of its kind (animal, person or vehicle); under `--multi multi` it
    becomes a sample a box. Blanks get none, and are named where the detector sees an animal.

    Raises:
        DataError: `options.boxes` is no detector's results file.
    """
    path = options.boxes
    if path is None:
        return table
    content = load_object(path)
    if not is_detector_results(content):
        raise DataError(f"{path}: no detector results: --boxes takes MegaDetector's JSON")
    results = parse_detections(content)
    joiner = _Joiner(options)
    by_path = joiner.locate(results.images)
    samples = [new for sample in table.samples for new in joiner.join(sample, by_path)]
    problems = (*table.problems, *results.problems, *joiner.problems)
    notes = (*table.notes, *joiner.notes(path, table.samples))
    return replace(table, samples=tuple(samples), problems=problems, notes=notes)


class _Joiner:
    def __init__(self, options: ReadingOptions) -> None:
        self.problems: list[Problem] = []
        self._options = options
        self._counts: Counter[str] = Counter()

    def locate(self, images: Sequence[DetectedImage]) -> dict[Path, DetectedImage]:
        """Return the results by the file that each is of."""
        source = self._options.data
        root = self._options.data_dir or (source if source.is_dir() else source.parent)
        finder = PathFinder(root)
        found = {}
        for image in images:
            path, _ = finder.find_named(image.file)
            if path is None:
                self._counts["elsewhere"] += 1
            else:
                found[path.resolve()] = image
        return found

    def join(self, sample: Sample, by_path: dict[Path, DetectedImage]) -> list[Sample]:
        """Return the sample with its box, or one sample a box."""
        image = by_path.get(sample.path.resolve())
        kind = observation_type(sample.label)
        if image is None:
            self._counts["without results"] += 1
            return [sample]
        if image.failure is not None:
            what = f"the detector failed ({image.failure}): used without a box"
            self.problems.append(Problem("box", sample.where, what))
            return [sample]
        if kind == "blank":
            self._doubt_blank(sample, image)
            return [sample]
        if sample.box or sample.pixel_box:
            self._counts["own box"] += 1
            return [sample]
        sure = self._sure(image, _CATEGORY_OF[kind])
        if not sure:
            self._counts["nothing seen"] += 1
            return [sample]
        self._counts["given"] += 1
        chosen = sure if self._options.multi == "multi" else sure[:1]
        return [replace(sample, box=detection.box) for detection in chosen]

    def notes(self, path: Path, samples: Sequence[Sample]) -> list[str]:
        """Return how many boxes were joined, and what was not."""
        c = self._counts
        said = [f"boxes of {path.name}: {c['given']} of {len(samples)} labels got one"]
        for key, what in (
            ("own box", "have one of their own"),
            ("nothing seen", "show nothing to the detector: used without a box"),
            ("without results", "are not in it"),
        ):
            if c[key]:
                said.append(f"{c[key]} {what}")
        if c["elsewhere"]:
            said.append(f"{c['elsewhere']} of its files are not here")
        return ["; ".join(said)]

    def _sure(self, image: DetectedImage, category: str) -> list[Detection]:
        """Return the detections of a category above the threshold, the surest first."""
        found = [
            detection
            for detection in image.detections
            if detection.category == category
            and detection.confidence >= self._options.box_threshold
        ]
        return sorted(found, key=lambda detection: -detection.confidence)

    def _doubt_blank(self, sample: Sample, image: DetectedImage) -> None:
        for detection in self._sure(image, "animal")[:1]:
            seen = f"the detector sees an animal ({detection.confidence:.2f})"
            what = f"{sample.path.name} is labelled blank, but {seen}: look at it"
            self.problems.append(Problem("doubt", sample.where, what))
