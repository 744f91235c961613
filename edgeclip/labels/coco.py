"""Read COCO Camera Traps, with the habits of the sets that are in use, into samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from edgeclip.contract.preprocess_spec import Box
from edgeclip.errors import DataError
from edgeclip.labels.boxes import numbers_of, relative_box
from edgeclip.labels.json_text import Object, number_of, objects_in, text_of
from edgeclip.labels.locating import locate
from edgeclip.labels.paths import PathFinder
from edgeclip.labels.reading import ReadingOptions
from edgeclip.labels.sample import LabelTable, Problem, ProblemKind, Sample
from edgeclip.labels.taxa import label_name
from edgeclip.labels.times import parse_time

_TIMES = ("datetime", "date_captured")  # the specification's name, and CCT-20's


def is_coco(content: Object) -> bool:
    """Say whether an object is COCO by its keys."""
    return all(isinstance(content.get(key), list) for key in ("images", "annotations"))


def read_coco(options: ReadingOptions, content: Object) -> LabelTable:
    """Return the samples of a COCO Camera Traps file.

    Args:
        options: `data` is the file; paths start at `data_dir`, by default at its own folder.
        content: Of the file.

    Raises:
        DataError: No image has an annotation that may be used.
    """
    parsed = parse_coco(options, content)
    finder = PathFinder(options.data_dir or options.data.parent)
    samples, missing = locate(parsed.samples, finder.find)
    return LabelTable(
        options.data, tuple(samples), (*parsed.problems, *missing), tuple(parsed.notes)
    )


def parse_coco(options: ReadingOptions, content: Object) -> LabelTable:
    """Return one sample an annotation, with paths as written: no image file is looked for.

    Raises:
        DataError: No image has an annotation that may be used.
    """
    parser = _Parser(options, content)
    samples = tuple(parser.samples())
    if not samples:
        raise DataError(f"{options.data}: no usable annotation: is this COCO Camera Traps?")
    return LabelTable(options.data, samples, tuple(parser.problems), tuple(parser.notes()))


class _Parser:
    """The tables of a file, joined by their ids; ids are compared as text."""

    def __init__(self, options: ReadingOptions, content: Object) -> None:
        self.problems: list[Problem] = []
        self.counts: Counter[str] = Counter()
        self._options, self._content = options, content
        self._categories = self._names()
        self._images = self._image_table()
        self._annotated: set[str] = set()
        self._own = {
            text_of(annotation, "image_id")
            for _, annotation in objects_in(content, "annotations")
            if not _is_of_sequence(annotation)
        }

    def samples(self) -> Iterator[Sample]:
        """Yield a sample for each annotation that may be used."""
        for number, annotation in objects_in(self._content, "annotations"):
            where = f"annotation {text_of(annotation, 'id') or f'number {number}'}"
            image_id = text_of(annotation, "image_id")
            image = self._images.get(image_id)
            label = self._categories.get(text_of(annotation, "category_id"), "")
            if image is None:
                self._note("row", where, f"there is no image {image_id[:60]!r}")
                continue
            self._annotated.add(image_id)
            if _is_of_sequence(annotation):
                self.counts["of a sequence"] += 1
                if image_id in self._own and not self._options.sequence_labels:
                    continue
            if not label:
                named = text_of(annotation, "category_id")
                self._note("label", where, f"there is no category {named[:60]!r}")
            elif not text_of(image, "file_name"):
                self._note("path", where, f"image {image_id[:60]!r} has no file_name")
            elif image.get("corrupt") is not True:
                yield self._sample(image, annotation, label, where)

    def notes(self) -> list[str]:
        """Return what was assumed and what was left out."""
        notes = ["COCO Camera Traps"]
        if whole := self.counts["of a sequence"]:
            notes.append(f"{whole} annotations are of whole sequences: a frame may lack the animal")
        if bare := len(self._images) - len(self._annotated):
            notes.append(f"{bare} images have no annotation: left out, not taken as blank")
        if not any(text_of(image, "location") for image in self._images.values()):
            notes.append("no image has a location")
        return notes

    def _names(self) -> dict[str, str]:
        names = {}
        for number, category in objects_in(self._content, "categories"):
            key, name = text_of(category, "id"), label_name(text_of(category, "name"))
            if key and name:
                names[key] = name
            else:
                self._note("row", f"category number {number}", "lacks an id or a name")
        return names

    def _image_table(self) -> dict[str, Object]:
        images: dict[str, Object] = {}
        for number, image in objects_in(self._content, "images"):
            key = text_of(image, "id")
            if not key or key in images:
                what = f"a second image {key[:60]!r}: left out" if key else "has no id"
                self._note("row", f"image number {number}", what)
                continue
            images[key] = image
            if image.get("corrupt") is True:
                self._note("unreadable", f"image {key[:60]}", "marked as corrupt in the file")
        return images

    def _sample(self, image: Object, annotation: Object, label: str, where: str) -> Sample:
        box, pixels = self._box(annotation, where)
        size = number_of(image, "width"), number_of(image, "height")
        text = text_of(image, *_TIMES)
        captured_at = parse_time(text, self._options.zone)
        if text and captured_at is None:
            self._note("date", where, f"{text[:40]!r} is not a time: use YYYY-MM-DD HH:MM:SS")
        frame_num = number_of(image, "frame_num")
        return Sample(
            path=_path(text_of(image, "file_name")),
            label=label,
            location=text_of(image, "location") or None,
            captured_at=captured_at,
            seq_id=text_of(image, "seq_id") or None,
            box=box,
            where=where,
            frame_num=None if frame_num is None else round(frame_num),
            pixel_box=pixels,
            frame_size=(round(size[0]), round(size[1])) if size[0] and size[1] else None,
            sequence_level=_is_of_sequence(annotation),
        )

    def _box(self, annotation: Object, where: str) -> tuple[Box | None, Box | None]:
        """Return the relative box, or the one in pixels; at most one of them."""
        relative = numbers_of(annotation.get("bbox_relative"))
        if relative and (box := relative_box(relative)):
            return box, None
        pixels = numbers_of(annotation.get("bbox"))
        if pixels is None and (annotation.get("bbox") or annotation.get("bbox_relative")):
            self._note("box", where, "bbox is not four numbers in the frame: left out")
        return None, pixels

    def _note(self, kind: ProblemKind, where: str, what: str) -> None:
        self.problems.append(Problem(kind, where, what))


def _is_of_sequence(annotation: Object) -> bool:
    """Say whether a label is of the whole burst, so that a frame of it may lack the animal."""
    return annotation.get("sequence_level_annotation") is True


def _path(written: str) -> Path:
    """Return a path as written; Missouri Camera Traps has backslashes."""
    return Path(PurePosixPath(written.replace("\\", "/")))
