"""Image files -> what the encoder sees of them: of what is taught, and of frames without it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgeclip.contract.preprocess_spec import PreprocessSpec
from edgeclip.errors import DataError
from edgeclip.features import Reading
from edgeclip.labels.classes import BLANK, normal
from edgeclip.labels.dataset import Dataset, LabelledImage, NothingUsableError, load_dataset
from edgeclip.labels.detector_boxes import with_detector_boxes
from edgeclip.labels.paths import IMAGE_SUFFIXES
from edgeclip.labels.reading import ReadingOptions
from edgeclip.labels.sample import LabelTable, Problem, Sample
from edgeclip.labels.sources import read_source
from edgeclip.regions import Strips, regions_of
from edgeclip.teaching.request import TeachRequest

MOST_OTHERS = 200
"""Frames without it that are looked at, spread evenly over those given: seconds on a CPU."""


@dataclass(frozen=True)
class Sights:
    """Some images, and the encoder's inputs from them.

    Attributes:
        images: n images.
        pixels: `(m, S, S, 3)` uint8, RGB: frames, and crops where there are boxes.
        owners: `(m,)` int64, the image of each input.
    """

    images: Sequence[LabelledImage]
    pixels: NDArray[np.uint8]
    owners: NDArray[np.int64]


@dataclass(frozen=True)
class Material:
    """What a class is taught from.

    Attributes:
        taught: Images that show it.
        others: Frames without it; maybe none.
        notes: What must be said of them.
    """

    taught: Dataset
    others: tuple[LabelledImage, ...]
    notes: tuple[str, ...]


def read_material(request: TeachRequest) -> Material:
    """Return the images of a teaching, each opened once.

    Raises:
        DataError: An image is missing, damaged or named twice, or is among the others too; or a
            source of others cannot be read.
    """
    if len({path.resolve() for path in request.images}) < len(request.images):
        raise DataError("--images: one file stands there twice: name each image once")
    missing = next((path for path in request.images if not path.is_file()), None)
    if missing is not None:
        raise DataError(f"--images: {missing} is no file: check the path")
    root = Path(request.images[0]).absolute().parent
    options = ReadingOptions(data=root, boxes=request.boxes)
    samples = tuple(_sample(path, request.name) for path in request.images)
    table = with_detector_boxes(LabelTable(root, samples, (), ()), options)
    taught = _taught(table, request, options)
    others, notes = _read_others(request)
    shared = {image.facts.sha256: image.path for image in taught.images}
    for image in others:
        if image.facts.sha256 in shared:
            raise DataError(
                f"{image.path} of --others is {shared[image.facts.sha256]} of --images: others are"
                " frames without it"
            )
    shots = [image.near_duplicate for image in taught.images if image.near_duplicate]
    if len(shots) > len(set(shots)):
        notes = ("some images show nearly the same shot, and teach as one would", *notes)
    return Material(taught, others, notes)


def see(
    images: Sequence[LabelledImage],
    lenders: Sequence[LabelledImage],
    spec: PreprocessSpec,
    strips: Strips,
) -> Sights:
    """Return the encoder's inputs from images.

    Args:
        images: n images; those of the class `blank` without a box borrow one, since a device will
            crop what moved in them.
        lenders: Whose boxes are lent.
        spec: Of the encoder.
        strips: Rows to cut.

    Raises:
        DataError: An image cannot be decoded.
    """
    both = [*images, *lenders]
    regions = regions_of(both, range(len(images)), views=1, lenders=range(len(images), len(both)))
    inputs = np.zeros((len(regions), spec.size, spec.size, 3), np.uint8)
    for positions, pixels in Reading(both, regions, spec, strips).chunks(range(len(regions))):
        inputs[positions] = pixels
    return Sights(images, inputs, np.asarray([region.image for region in regions], np.int64))


def _taught(table: LabelTable, request: TeachRequest, options: ReadingOptions) -> Dataset:
    """Return the images that show the class; all of them must do."""
    try:
        taught = load_dataset(table, {request.name: (request.name,)}, options=options)
        problems = taught.problems
    except NothingUsableError as error:
        raise _unusable("--images", error.problems) from error
    for problem in problems:
        if problem.kind == "duplicate":
            same = problem.what.removesuffix(": used once")
            raise DataError(f"--images: {problem.where} has the {same}: name each image once")
    if unreadable := [problem for problem in problems if problem.kind == "unreadable"]:
        raise _unusable("--images", unreadable)
    return taught


def _unusable(option: str, problems: Sequence[Problem]) -> DataError:
    first, rest = problems[0], len(problems) - 1
    more = f" (and {rest} more)" if rest else ""
    return DataError(
        f"{option}: {first.where} cannot be used, {first.what}{more}: name another frame, or open"
        " it with an image program and save it as a JPEG"
    )


def _read_others(request: TeachRequest) -> tuple[tuple[LabelledImage, ...], tuple[str, ...]]:
    found: list[LabelledImage] = []
    notes: list[str] = []
    for source in request.others:
        options = ReadingOptions(data=source, boxes=request.boxes)
        table = _table_of(source, options)
        kept = tuple(s for s in table.samples if normal(s.label) != normal(request.name))
        if left := len(table.samples) - len(kept):
            notes.append(f"{left} images of {source} that are labelled {request.name} are left out")
        if not kept:
            raise DataError(f"--others {source}: no frame without {request.name} in it")
        unlike = tuple(_spread([replace(s, label=BLANK) for s in kept], MOST_OTHERS))
        if len(unlike) < len(kept):
            notes.append(f"of {len(kept)} frames of {source} {len(unlike)} are looked at")
        try:
            dataset = load_dataset(replace(table, samples=unlike), {}, options=options)
        except NothingUsableError as error:
            raise _unusable(f"--others {source}", error.problems) from error
        if bad := [p for p in dataset.problems if p.kind == "unreadable"]:
            notes.append(f"{len(bad)} frames of {source} cannot be read, e.g. {bad[0].where}")
        found += dataset.images
    unique = {image.facts.sha256: image for image in found}
    return tuple(_spread(list(unique.values()), MOST_OTHERS)), tuple(notes)


def _table_of(source: Path, options: ReadingOptions) -> LabelTable:
    """Return the frames at a place: a picture, a folder of pictures, or labels with their files."""
    if source.is_dir():
        files = sorted(p for p in source.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES)
        samples = tuple(
            _sample(path, path.parent.name or BLANK, _place(path, source)) for path in files
        )
        if not samples:
            raise DataError(f"--others {source}: no images in this folder or below")
        return with_detector_boxes(LabelTable(source, samples, (), ()), options)
    if source.suffix.lower() in IMAGE_SUFFIXES:
        return LabelTable(source.parent, (_sample(source, BLANK),), (), ())
    return with_detector_boxes(read_source(options), options)


def _place(path: Path, root: Path) -> str | None:
    """Return where the camera stood, as `predict` takes it: the folder below the one named."""
    folder = path.parent.relative_to(root).as_posix()
    return None if folder == "." else folder


def _sample(path: Path, label: str, place: str | None = None) -> Sample:
    return Sample(path, label, place, None, None, None, where=str(path))


def _spread(items: list[LabelledImage] | list[Sample], most: int) -> list:  # type: ignore[type-arg]
    places = np.linspace(0, len(items) - 1, min(most, len(items))).round().astype(int)
    return [items[place] for place in dict.fromkeys(places.tolist())]
