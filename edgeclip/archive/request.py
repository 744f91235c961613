"""What `edgeclip predict` was asked for, and how it is begun in any process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edgeclip.archive.answering import Asked, open_answerer, strips_of
from edgeclip.archive.looking import Looking
from edgeclip.archive.part_work import Given, GivenBoxes, PartWork
from edgeclip.archive.records import Category
from edgeclip.archive.stores import open_store
from edgeclip.errors import DataError
from edgeclip.labels.detections import detectors_alone, is_detector_results, parse_detections
from edgeclip.labels.json_text import load_object
from edgeclip.labels.reading import zone_named

_CATEGORIES: Mapping[str, Category] = {
    "animal": "animal",
    "person": "person",
    "vehicle": "vehicle",
}
MOST_BOXES = 8
"""Of one image: the surest; each costs a pass of the encoder."""


@dataclass(frozen=True)
class PredictRequest:
    """A run over an archive.

    Attributes:
        source: Folder, table, zip or URL.
        asked: Pack, set or bundle, and its runtime.
        data_dir: Where a table's paths start; None: its own folder.
        boxes: A detector's results, or None.
        box_threshold: Least confidence of a box.
        zone: Of times that have none.
        facts: What a person knows of all images, for the static keys of several packs.
    """

    source: str
    asked: Asked
    data_dir: Path | None = None
    boxes: Path | None = None
    box_threshold: float = 0.2
    zone: str = "UTC"
    facts: Mapping[str, str] = field(default_factory=dict)

    def work(self) -> PartWork:
        """Open archive and pack; for each process that takes part.

        Raises:
            EdgeclipError: Archive, pack, boxes or runtime cannot be used; see `open_store` and
                `open_answerer`.
        """
        store = open_store(self.source, self.data_dir)
        answerer = open_answerer(self.asked)
        manifest = answerer.manifest
        looking = Looking(manifest.preprocess, strips_of(manifest), zone_named(self.zone))
        given = read_boxes(self.boxes, self.box_threshold) if self.boxes else _none
        return PartWork(store, looking, answerer, given, self.facts)


def read_boxes(path: Path, least: float) -> GivenBoxes:
    """Return a detector's boxes by the file's name, the surest first, at most `MOST_BOXES`.

    Args:
        path: MegaDetector's JSON; its names must be those of the archive.
        least: Confidence.

    Raises:
        DataError: It is no detector's results file, or has no boxes but our own.
    """
    content = load_object(path)
    if not is_detector_results(content):
        raise DataError(f"{path}: no detector results: --boxes takes MegaDetector's JSON")
    by_file: dict[str, tuple[Given, ...]] = {}
    for image in detectors_alone(parse_detections(content), path).images:
        found = [
            Given(each.box, each.confidence, _CATEGORIES[each.category])
            for each in image.detections
            if each.confidence >= least and each.category in _CATEGORIES
        ]
        surest = sorted(found, key=lambda given: -given.confidence)[:MOST_BOXES]
        by_file[image.file.replace("\\", "/")] = tuple(surest)
    return lambda name: by_file.get(name, ())


def _none(name: str) -> Sequence[Given]:
    del name
    return ()
