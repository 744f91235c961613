"""Samples -> those whose files can be used: opened once, boxes relative, each content once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from edgeclip.labels.boxes import from_pixels
from edgeclip.labels.reading import ReadingOptions
from edgeclip.labels.sample import Problem, Sample
from edgeclip.labels.scan import ImageFacts, scan_images


def open_files(
    samples: Sequence[Sample],
    options: ReadingOptions,
    problems: list[Problem],
    started: Callable[[int], None],
    advance: Callable[[], None],
) -> list[tuple[Sample, ImageFacts]]:
    """Return the samples whose files can be read, each file opened once, boxes relative.

    Args:
        samples: What is wanted.
        options: Its zone is that of times in files.
        problems: What cannot be read, or is odd, is added.
        started: Called with the number of files to open.
        advance: Called after each file.
    """
    paths = list(dict.fromkeys(sample.path for sample in samples))
    started(len(paths))
    facts = dict(zip(paths, scan_images(paths, zone=options.zone, advance=advance), strict=True))
    readable = []
    for path, found in facts.items():
        if not isinstance(found, ImageFacts):
            problems.append(Problem("unreadable", str(path), str(found)))
        else:
            problems.extend(Problem("odd", str(path), what) for what in found.oddities)
    for sample in samples:
        found = facts[sample.path]
        if isinstance(found, ImageFacts):
            readable.append((_with_relative_box(sample, found, problems), found))
    return readable


def _with_relative_box(sample: Sample, facts: ImageFacts, problems: list[Problem]) -> Sample:
    if sample.pixel_box is None:
        return sample
    size = sample.frame_size or (facts.width, facts.height)
    box = from_pixels(sample.pixel_box, size)
    if box is None:
        shown = ", ".join(f"{value:g}" for value in sample.pixel_box)
        what = f"{shown} does not lie in {size[0]} x {size[1]} pixels: left out"
        problems.append(Problem("box", sample.where, what))
    return replace(sample, box=box)


def without_duplicates(
    readable: Sequence[tuple[Sample, ImageFacts]],
    class_of: Callable[[str], str | None],
    problems: list[Problem],
) -> list[tuple[Sample, ImageFacts]]:
    """Return one file of each content; a content that stands in two classes is left out.

    Args:
        readable: Samples with their files' facts.
        class_of: Class of a label.
        problems: What is left out is added.
    """
    copies: dict[str, dict[Path, list[tuple[Sample, ImageFacts]]]] = defaultdict(dict)
    for sample, facts in readable:
        copies[facts.sha256].setdefault(sample.path, []).append((sample, facts))
    kept = []
    for files in copies.values():
        first, *others = files
        named = [frozenset(str(class_of(s.label)) for s, _ in own) for own in files.values()]
        if len(set(named)) > 1:
            what = f"same bytes under {', '.join(sorted(frozenset.union(*named)))}: all left out"
            problems.append(Problem("conflict", str(first), what))
            continue
        kept += files[first]
        problems.extend(
            Problem("duplicate", str(path), f"same bytes as {first.name}: used once")
            for path in others
        )
    return kept
