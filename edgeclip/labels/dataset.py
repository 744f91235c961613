"""From a label source to usable images: classes, opened files, duplicates and bursts known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from edgeclip.contract.hashing import sha256_bytes
from edgeclip.contract.preprocess_spec import Box
from edgeclip.errors import DataError
from edgeclip.labels.classes import BLANK, ClassMap, require_targets
from edgeclip.labels.clocks import Frame, TimeOrigin, clock_doubts, time_taken
from edgeclip.labels.detector_boxes import with_detector_boxes
from edgeclip.labels.given_split import given_parts
from edgeclip.labels.opened import open_files, without_duplicates
from edgeclip.labels.reading import Layout, ReadingOptions
from edgeclip.labels.sample import GivenPart, LabelSource, LabelTable, Problem, Sample
from edgeclip.labels.scan import ImageFacts
from edgeclip.labels.sequences import sequence_ids
from edgeclip.labels.several import choose_samples
from edgeclip.labels.similar import same_shots
from edgeclip.labels.sources import read_source


@dataclass(frozen=True)
class LabelledImage:
    """One image that can be used; under `--multi multi` one label or box of an image.

    Attributes:
        path: The file.
        class_name: One of the data set's classes.
        location: Or None.
        captured_at: Aware UTC, or None.
        sequence: Names its burst; unique over the data set, never None.
        seq_id: The source's own id of the burst, or None.
        box: The animal's, relative to the frame, or None.
        facts: Of the file.
        near_duplicate: Names the images that show the same shot, in whatever place or sequence;
            they are never on two sides of a split. None where there is no other.
        part: Where the source itself says so and it may be believed, else None.
        camera: Of several at one location, or None.
        frame_num: Orders a burst; or None.
        capture_method: `activityDetection`, `timeLapse`, or None.
        time_origin: Who says when it was taken, or None.
        label_source: Whether a person or a machine gave the label, where the source says so.
        sequence_level: Whether the label is of the whole burst, and was not taken for each frame's:
            not to be learned from, nor to be scored by the frame.
        crop_only: Whether other animals of this frame are images of their own, so that the whole
            frame does not belong to this class alone.
        said: What the source says in the further columns that were asked for, by column.
    """

    path: Path
    class_name: str
    location: str | None
    captured_at: datetime | None
    sequence: str
    seq_id: str | None
    box: Box | None
    facts: ImageFacts
    near_duplicate: str | None = None
    part: GivenPart | None = None
    camera: str | None = None
    frame_num: int | None = None
    capture_method: str | None = None
    time_origin: TimeOrigin | None = None
    label_source: LabelSource | None = None
    sequence_level: bool = False
    crop_only: bool = False
    said: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Dataset:
    """All usable images of a source, and what was left out.

    Attributes:
        source: As named by the user.
        images: In the source's order, without duplicates.
        class_names: In a fixed order: as asked for, else by name, `blank` last.
        left_out: Labels without a class, with their counts.
        problems: What could not be used, each with its place.
        notes: What was assumed.
        rows: Labelled files that the source names.
        warnings: Mistakes that are likely in the source, such as a misspelt column.
    """

    source: Path
    images: tuple[LabelledImage, ...]
    class_names: tuple[str, ...]
    left_out: Mapping[str, int]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]
    rows: int
    warnings: tuple[str, ...] = ()

    @property
    def sha256(self) -> str:
        """Hash of content, class and place of every image; the order does not matter."""
        lines = sorted(f"{i.facts.sha256} {i.class_name} {i.location}" for i in self.images)
        return sha256_bytes("\n".join(lines).encode())


def read_labels(
    source: Path, *, data_dir: Path | None = None, layout: Layout | None = None
) -> LabelTable:
    """Return the samples of a source, read with the usual options.

    Raises:
        DataError: There is nothing at `source`, or it cannot be used.
    """
    return read_source(ReadingOptions(data=source, data_dir=data_dir, layout=layout))


def read_dataset(
    options: ReadingOptions,
    *,
    targets: Sequence[str] = (),
    started: Callable[[int], None] = lambda _: None,
    advance: Callable[[], None] = lambda: None,
) -> Dataset:
    """Return the usable images of a source: read, opened, and cleaned as the options say.

    Args:
        options: All of what is read, and how.
        targets: Must be classes of the labels: looked at before thousands of files are opened.
        started: Called with the number of files to open.
        advance: Called after each file.

    Raises:
        ConfigError: A label or target that was asked for does not occur.
        DataError: There are no labels, or no image can be used.
    """
    table = with_detector_boxes(read_source(options), options)
    if targets:
        labels = {sample.label for sample in table.samples}
        found = {ClassMap(options.classes, labels).class_of(label) for label in labels}
        require_targets(targets, {name for name in found if name})
    return load_dataset(table, options.classes, options=options, started=started, advance=advance)


def load_dataset(
    table: LabelTable,
    classes: Mapping[str, Sequence[str]],
    *,
    options: ReadingOptions | None = None,
    started: Callable[[int], None] = lambda _: None,
    advance: Callable[[], None] = lambda: None,
) -> Dataset:
    """Return the usable images of a table.

    Args:
        table: What `read_labels` gave.
        classes: Class name -> labels; empty for a class a label.
        options: What to do in doubt; None for the usual.
        started: Called with the number of files to open.
        advance: Called after each file.

    Raises:
        ConfigError: A label that was asked for does not occur.
        NothingUsableError: Not one image can be used.
    """
    options = options or ReadingOptions(data=table.source)
    class_map = ClassMap(classes, (sample.label for sample in table.samples))
    with_class = [s for s in table.samples if class_map.class_of(s.label) is not None]
    chosen = choose_samples(with_class, options.multi, class_map.class_of)
    problems = [*table.problems, *chosen.problems]
    readable = open_files(chosen.samples, options, problems, started, advance)
    kept = without_duplicates(readable, class_map.class_of, problems)
    if not kept:
        raise NothingUsableError(_nothing(table, problems), problems)
    images, more = _images(kept, class_map, options)
    problems += more
    notes = [*table.notes, *_notes(kept, chosen.same_class)]
    parts, said = given_parts(images, [sample for sample, _ in kept], options)
    notes += said
    images = [replace(image, part=part) for image, part in zip(images, parts, strict=True)]
    files = {sample.path for sample in table.samples}
    return Dataset(
        source=table.source,
        images=tuple(images),
        class_names=_order({image.class_name for image in images}, classes),
        left_out=class_map.left_out,
        problems=tuple(problems),
        notes=tuple(notes),
        rows=len(files) + sum(problem.kind == "path" for problem in table.problems),
        warnings=table.warnings,
    )


class NothingUsableError(DataError):
    """Not one image of a table can be used.

    Attributes:
        problems: Why, image by image.
    """

    def __init__(self, message: str, problems: Sequence[Problem]) -> None:
        """Say it, and keep why.

        Args:
            message: For people.
            problems: Of its images.
        """
        super().__init__(message)
        self.problems = tuple(problems)


def _nothing(table: LabelTable, problems: Sequence[Problem]) -> str:
    files = len({sample.path for sample in table.samples})
    files += sum(problem.kind == "path" for problem in table.problems)
    reasons = Counter(problem.kind for problem in problems)
    first = f" ({problems[0].where}: {problems[0].what})" if problems else ""
    counted = ", ".join(f"{kind} {count}" for kind, count in reasons.items())
    return (
        f"{table.source}: none of {files} labelled files can be used: {counted or 'no class'}"
        f"{first}; is --data-dir right?"
    )


def _images(
    kept: Sequence[tuple[Sample, ImageFacts]], class_map: ClassMap, options: ReadingOptions
) -> tuple[list[LabelledImage], list[Problem]]:
    frames = [Frame(s, facts, time_taken(s, facts, options)) for s, facts in kept]
    ids = sequence_ids([f.sample for f in frames], [f.taken.at for f in frames])
    shots = _near_duplicates(frames)
    samples_of = Counter(sample.path for sample, _ in kept)
    images = [
        LabelledImage(
            path=frame.sample.path,
            class_name=class_map.class_of(frame.sample.label) or "",
            location=frame.sample.location,
            captured_at=frame.taken.at,
            sequence=sequence,
            seq_id=frame.sample.seq_id,
            box=frame.sample.box,
            facts=frame.facts,
            near_duplicate=shots.get(frame.facts.sha256),
            camera=frame.sample.camera,
            frame_num=frame.sample.frame_num,
            capture_method=frame.sample.capture_method,
            time_origin=frame.taken.origin,
            label_source=frame.sample.label_source,
            sequence_level=frame.sample.sequence_level and not options.sequence_labels,
            said=frame.sample.said,
            crop_only=samples_of[frame.sample.path] > 1 and frame.sample.box is not None,
        )
        for frame, sequence in zip(frames, ids, strict=True)
    ]
    return images, clock_doubts(frames, options)


def _near_duplicates(frames: Sequence[Frame]) -> dict[str, str]:
    """Return, by content, the name of the shot that it shares with other files."""
    files = list({frame.facts.sha256: frame for frame in frames}.values())
    undated = [frame.taken.at is None and not frame.sample.seq_id for frame in files]
    groups = same_shots([frame.facts.thumbnail for frame in files], undated)
    return {
        own.facts.sha256: f"shot {files[group].facts.sha256[:16]}"
        for own, group in zip(files, groups, strict=True)
        if group is not None
    }


def _notes(kept: Sequence[tuple[Sample, ImageFacts]], same_class: int) -> list[str]:
    turned = len({facts.sha256 for _, facts in kept if facts.is_turned})
    notes = []
    if same_class:
        notes.append(f"{same_class} images have several boxes of one class: see --multi")
    if turned:
        notes.append(f"{turned} images are turned upright as their EXIF says")
    return notes


def _order(found: set[str], classes: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    if classes:
        return tuple(name for name in classes if name in found)
    return tuple(sorted(found - {BLANK})) + ((BLANK,) if BLANK in found else ())


def count_by_class_and_location(images: Sequence[LabelledImage]) -> Counter[tuple[str, str]]:
    """Return the number of images by class and location; `?` stands for an unknown place."""
    return Counter((image.class_name, image.location or "?") for image in images)
