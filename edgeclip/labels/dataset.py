"""From a label source to usable images: classes, opened files, duplicates and bursts known."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from edgeclip.contract.hashing import sha256_bytes
from edgeclip.contract.preprocess_spec import Box
from edgeclip.errors import DataError
from edgeclip.labels.classes import BLANK, ClassMap
from edgeclip.labels.csv_table import read_csv
from edgeclip.labels.folder import read_folder
from edgeclip.labels.reading import Layout, ReadingOptions
from edgeclip.labels.sample import GivenPart, LabelTable, Problem, Sample
from edgeclip.labels.scan import ImageFacts, scan_images
from edgeclip.labels.sequences import sequence_ids


@dataclass(frozen=True)
class LabelledImage:
    """One image that can be used.

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
    """

    source: Path
    images: tuple[LabelledImage, ...]
    class_names: tuple[str, ...]
    left_out: Mapping[str, int]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]
    rows: int

    @property
    def sha256(self) -> str:
        """Hash of content, class and place of every image; the order does not matter."""
        lines = sorted(f"{i.facts.sha256} {i.class_name} {i.location}" for i in self.images)
        return sha256_bytes("\n".join(lines).encode())


def read_labels(
    source: Path, *, data_dir: Path | None = None, layout: Layout | None = None
) -> LabelTable:
    """Return the samples of a folder or table.

    Raises:
        DataError: There is nothing at `source`, or it cannot be used.
    """
    if source.is_dir():
        return read_folder(source, layout=layout)
    if source.is_file():
        return read_csv(source, data_dir=data_dir)
    raise DataError(f"{source}: no such folder or file: name a folder of images or a CSV")


def read_dataset(
    options: ReadingOptions,
    *,
    started: Callable[[int], None] = lambda _: None,
    advance: Callable[[], None] = lambda: None,
) -> Dataset:
    """Return the usable images of a source: read, opened, and cleaned as the options say.

    Args:
        options: All of what is read, and how.
        started: Called with the number of files to open.
        advance: Called after each file.

    Raises:
        ConfigError: A label that was asked for does not occur.
        DataError: There are no labels, or no image can be used.
    """
    table = read_labels(options.data, data_dir=options.data_dir, layout=options.layout)
    return load_dataset(table, options.classes, started=started, advance=advance)


def load_dataset(
    table: LabelTable,
    classes: Mapping[str, Sequence[str]],
    *,
    started: Callable[[int], None] = lambda _: None,
    advance: Callable[[], None] = lambda: None,
) -> Dataset:
    """Return the usable images of a table.

    Args:
        table: What `read_labels` gave.
        classes: Class name -> labels; empty for a class a label.
        started: Called with the number of files to open.
        advance: Called after each file.

    Raises:
        ConfigError: A label that was asked for does not occur.
        DataError: Not one image can be used.
    """
    class_map = ClassMap(classes, (sample.label for sample in table.samples))
    chosen = [s for s in table.samples if class_map.class_of(s.label) is not None]
    started(len(chosen))
    facts = scan_images([sample.path for sample in chosen], advance=advance)
    problems = list(table.problems)
    readable: list[tuple[Sample, ImageFacts]] = []
    for sample, found in zip(chosen, facts, strict=True):
        if isinstance(found, ImageFacts):
            readable.append((sample, found))
        else:
            problems.append(Problem("unreadable", str(sample.path), str(found)))
    kept = _without_duplicates(readable, class_map, problems)
    if not kept:
        raise DataError(
            f"{table.source}: none of {len(table.samples)} labelled files can be used:"
            " see `edgeclip data check`" + (f" ({problems[0].what})" if problems else "")
        )
    images = _images(kept, class_map)
    return Dataset(
        source=table.source,
        images=images,
        class_names=_order({image.class_name for image in images}, classes),
        left_out=class_map.left_out,
        problems=tuple(problems),
        notes=table.notes,
        rows=len(table.samples) + sum(problem.kind == "path" for problem in table.problems),
    )


def _without_duplicates(
    readable: Sequence[tuple[Sample, ImageFacts]], class_map: ClassMap, problems: list[Problem]
) -> list[tuple[Sample, ImageFacts]]:
    """Keep one of each content; drop a content that stands in two classes altogether."""
    copies: dict[str, list[tuple[Sample, ImageFacts]]] = defaultdict(list)
    for sample, facts in readable:
        copies[facts.sha256].append((sample, facts))
    kept = []
    for group in copies.values():
        first, named = group[0][0], {class_map.class_of(sample.label) for sample, _ in group}
        if len(named) > 1:
            what = f"same bytes under {', '.join(sorted(map(str, named)))}: all left out"
            problems.append(Problem("conflict", str(first.path), what))
            continue
        kept.append(group[0])
        problems.extend(
            Problem("duplicate", str(sample.path), f"same bytes as {first.path.name}: used once")
            for sample, _ in group[1:]
        )
    return kept


def _images(
    kept: Sequence[tuple[Sample, ImageFacts]], class_map: ClassMap
) -> tuple[LabelledImage, ...]:
    times = [sample.captured_at or facts.taken_at for sample, facts in kept]
    ids = sequence_ids([sample for sample, _ in kept], times)
    return tuple(
        LabelledImage(
            path=sample.path,
            class_name=class_map.class_of(sample.label) or "",
            location=sample.location,
            captured_at=at,
            sequence=sequence,
            seq_id=sample.seq_id,
            box=sample.box,
            facts=facts,
        )
        for (sample, facts), at, sequence in zip(kept, times, ids, strict=True)
    )


def _order(found: set[str], classes: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    if classes:
        return tuple(name for name in classes if name in found)
    return tuple(sorted(found - {BLANK})) + ((BLANK,) if BLANK in found else ())


def count_by_class_and_location(images: Sequence[LabelledImage]) -> Counter[tuple[str, str]]:
    """Return the number of images by class and location; `?` stands for an unknown place."""
    return Counter((image.class_name, image.location or "?") for image in images)
