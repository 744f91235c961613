"""When an image was taken, and whether the camera's clock can be believed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import Literal

from edgeclip.labels.reading import ReadingOptions
from edgeclip.labels.sample import Problem, Sample
from edgeclip.labels.scan import ImageFacts

TimeOrigin = Literal["labels", "EXIF", "file name", "file's own time"]
_NOON_HOURS, _MIDNIGHT_HOURS = range(10, 15), (22, 23, 0, 1)  # light is sure in most places
_LEAST_FRAMES = 3  # in these hours; fewer tell nothing
_RESET_YEARS = range(2000, 2016)  # cameras fall back to 1 January of the year of their firmware
_APART = timedelta(days=300)
_SAME = timedelta(minutes=2)  # a person who types a time rounds it


@dataclass(frozen=True)
class Taken:
    """When one image was taken.

    Attributes:
        at: Aware UTC with the asked shift, or None.
        origin: Who says so, or None.
    """

    at: datetime | None
    origin: TimeOrigin | None


def time_taken(sample: Sample, facts: ImageFacts, options: ReadingOptions) -> Taken:
    """Return when an image was taken: by its labels, EXIF, name, or where asked its own time."""
    at: datetime | None = None
    origin: TimeOrigin | None = None
    if sample.captured_at:
        at, origin = sample.captured_at, "labels"
    elif facts.taken_at:
        at, origin = facts.taken_at, facts.taken_from or "EXIF"
    elif options.mtime and facts.changed_at:
        at, origin = facts.changed_at, "file's own time"
    if at is None:
        return Taken(None, None)
    try:
        return Taken(at + options.shift_of(sample.location), origin)
    except OverflowError:
        return Taken(at, origin)


@dataclass(frozen=True)
class Frame:
    """What the clock checks look at."""

    sample: Sample
    facts: ImageFacts
    taken: Taken


def clock_doubts(frames: Sequence[Frame], options: ReadingOptions) -> list[Problem]:
    """Return what makes a clock doubtful: one problem a location and kind, worst first.

    Args:
        frames: All usable images.
        options: The zone tells the local hour.
    """
    doubts = list(_unread(frames))
    by_place: dict[str, list[Frame]] = defaultdict(list)
    for frame in frames:
        by_place[frame.sample.location or "unknown place"].append(frame)
    for place, own in sorted(by_place.items()):
        for check in (_resets, _halves_of_the_day, _against_exif, _order, _said_by_source):
            if what := check(own, options):
                doubts.append(Problem("clock", place, what))
    return doubts


def _unread(frames: Sequence[Frame]) -> Iterator[Problem]:
    for frame in frames:
        if frame.facts.dead_clock and frame.taken.at is None:
            what = f"the camera's clock says {frame.facts.dead_clock}: taken as without a time"
            yield Problem("clock", frame.sample.where, what)


def _resets(frames: Sequence[Frame], options: ReadingOptions) -> str:
    """Name 1 January of an old year, far from the place's other times: a battery was changed."""
    times = sorted(frame.taken.at for frame in frames if frame.taken.at)
    if not times:
        return ""
    middle = times[len(times) // 2]
    local = [at.astimezone(options.zone) for at in times]
    reset = [
        at
        for at in local
        if (at.month, at.day) == (1, 1)
        and at.year in _RESET_YEARS
        and (at.year == _RESET_YEARS[0] or abs(at - middle) > _APART)
    ]
    if not reset:
        return ""
    return f"{len(reset)} of {len(times)} times are 1 January {reset[0].year}: the clock was reset"


def _halves_of_the_day(frames: Sequence[Frame], options: ReadingOptions) -> str:
    """Compare the hour with the light: infrared at noon and colour at midnight is 12 h off."""
    wrong = judged = 0
    for frame in frames:
        if frame.taken.at is None:
            continue
        hour = frame.taken.at.astimezone(options.zone).hour
        noon, midnight = hour in _NOON_HOURS, hour in _MIDNIGHT_HOURS
        judged += noon or midnight
        wrong += (noon and frame.facts.is_infrared) or (midnight and not frame.facts.is_infrared)
    if judged < _LEAST_FRAMES or wrong * 2 <= judged:
        return ""
    return (
        f"{wrong} of {judged} frames around noon or midnight have the other's light: 12 h off,"
        " another zone, or a white flash? see --time-offset and --tz"
    )


def _against_exif(frames: Sequence[Frame], options: ReadingOptions) -> str:
    """Compare the labels' times with those in the files."""
    del options
    apart = [
        (frame.sample.captured_at - frame.facts.taken_at).total_seconds()
        for frame in frames
        if frame.sample.captured_at and frame.facts.taken_at and frame.facts.taken_from == "EXIF"
    ]
    off = [seconds for seconds in apart if abs(seconds) > _SAME.total_seconds()]
    if len(off) * 2 <= len(apart):
        return ""
    shown = timedelta(seconds=round(abs(median(off))))
    later = "later" if median(off) > 0 else "earlier"
    return f"in {len(off)} of {len(apart)} files the labels' time is {shown} {later} than EXIF's"


def _order(frames: Sequence[Frame], options: ReadingOptions) -> str:
    """Compare the frames' numbers with their times, within each sequence of the source."""
    del options
    bursts: dict[str, list[tuple[int, datetime]]] = defaultdict(list)
    for frame in frames:
        number, at = frame.sample.frame_num, frame.taken.at
        if frame.sample.seq_id and number is not None and at:
            bursts[frame.sample.seq_id].append((number, at))
    wrong = sum(
        any(later < earlier for (_, earlier), (_, later) in pairwise(own))
        for own in map(sorted, bursts.values())
    )
    return f"{wrong} sequences run backwards in time by their frames' numbers" if wrong else ""


def _said_by_source(frames: Sequence[Frame], options: ReadingOptions) -> str:
    del options
    doubted = sum(frame.sample.clock_doubted for frame in frames)
    return f"{doubted} frames are of a deployment with timestampIssues" if doubted else ""
