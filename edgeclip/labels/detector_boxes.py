"""Boxes of a detector's results put onto images that people labelled."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from edgeclip.errors import DataError
from edgeclip.labels.classes import observation_type
from edgeclip.labels.detections import (
    DetectedImage,
    Detection,
    detectors_alone,
    is_detector_results,
    parse_detections,
)
from edgeclip.labels.json_text import load_object
from edgeclip.labels.paths import PathFinder, SuffixIndex, shared_parts
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
    results = detectors_alone(parse_detections(content), path)
    joiner = _Joiner(options)
    by_path = joiner.locate(results.images, table.samples)
    samples = [new for sample in table.samples for new in joiner.join(sample, by_path)]
    problems = (*table.problems, *results.problems, *joiner.problems)
    notes = (*table.notes, *joiner.notes(path, table.samples))
    return replace(table, samples=tuple(samples), problems=problems, notes=notes)


class _Places:
    """Files on disk by what a detector calls them, those out of a zip too."""

    def __init__(self, options: ReadingOptions, samples: Sequence[Sample]) -> None:
        source = options.data
        root = options.data_dir or (source if source.is_dir() else source.parent)
        self._finder = PathFinder(root)
        self._labelled = {sample.path.resolve() for sample in samples}
        outside = (p for p in self._labelled if not p.is_relative_to(root.resolve()))
        self._unpacked = SuffixIndex(PurePosixPath(path.as_posix()) for path in sorted(outside))

    def find(self, written: str) -> Path | None:
        """Return the file that a detector's path means, or None."""
        path, _ = self._finder.find_named(written)
        if path is not None and path.resolve() in self._labelled:
            return path.resolve()
        unpacked, _ = self._unpacked.find(PurePosixPath(written))
        return Path(unpacked) if unpacked else path and path.resolve()


class _Joiner:
    def __init__(self, options: ReadingOptions) -> None:
        self.problems: list[Problem] = []
        self._options = options
        self._counts: Counter[str] = Counter()

    def locate(
        self, images: Sequence[DetectedImage], samples: Sequence[Sample]
    ) -> dict[Path, DetectedImage]:
        """Return the results by the file that each is of.

        Where several are taken for one file, as of `IMG_0001.JPG` in many folders, the one with
        the longest equal end is; two that are equally near are of nobody knows which.
        """
        places = _Places(self._options, samples)
        claims: dict[Path, list[tuple[int, DetectedImage]]] = defaultdict(list)
        for image in {image.file: image for image in images}.values():
            path = places.find(image.file)
            if path is None:
                self._counts["elsewhere"] += 1
            else:
                near = shared_parts(PurePosixPath(image.file), PurePosixPath(path.as_posix()))
                claims[path].append((near, image))
        found = {}
        for path, own in claims.items():
            nearest = max(near for near, _ in own)
            best = [image for near, image in own if near == nearest]
            self._counts["elsewhere"] += len(own) - (len(best) == 1)
            if len(best) == 1:
                found[path] = best[0]
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
