"""Which images are of one burst: by the source's id, else by place and time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

from edgeclip.labels.sample import Sample

MOST_GAP = timedelta(seconds=60)  # MegaDetector's and animl's rule for frames of one trigger
TIME_LAPSE = "timeLapse"


def sequence_ids(samples: Sequence[Sample], times: Sequence[datetime | None]) -> list[str]:
    """Return a sequence id for each sample.

    The source's id counts within its location. Without one, frames of one location (or of none)
    with gaps of at most 60 s are one sequence; without a time, an image is a sequence of its own.
    Time-lapse frames never share a sequence with those that motion took. Samples of one file
    share all.

    Args:
        samples: In any order.
        times: Aware UTC or None, one a sample.
    """
    ids = [""] * len(samples)
    timed: dict[str, list[tuple[datetime, int, str, int]]] = defaultdict(list)
    first: dict[object, str] = {}
    for index, (sample, at) in enumerate(zip(samples, times, strict=True)):
        place = (sample.location or "?") + (
            f"/{TIME_LAPSE}" if sample.capture_method == TIME_LAPSE else ""
        )
        if sample.seq_id:
            ids[index] = f"{place}/{sample.seq_id}"
        elif at is None:
            ids[index] = f"{place}/file {first.setdefault(sample.path, sample.where)}"
        else:
            timed[place].append((at, sample.frame_num or 0, sample.path.name, index))
    for place, frames in timed.items():
        start = last = min(frames)[0]
        for at, _, _, index in sorted(frames):
            if at - last > MOST_GAP:
                start = at
            ids[index] = f"{place}/{start.isoformat()}"
            last = at
    return ids
