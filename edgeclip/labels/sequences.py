"""Which images are of one burst: by the source's id, else by place and time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

from edgeclip.labels.sample import Sample

MOST_GAP = timedelta(seconds=60)  # MegaDetector's and animl's rule for frames of one trigger


def sequence_ids(samples: Sequence[Sample], times: Sequence[datetime | None]) -> list[str]:
    """Return a sequence id for each sample.

    The source's id counts within its location. Without one, frames of one location (or of none)
    with gaps of at most 60 s are one sequence; without a time, an image is a sequence of its own.

    Args:
        samples: In any order.
        times: Aware UTC or None, one a sample.
    """
    ids = [""] * len(samples)
    timed: dict[str, list[tuple[datetime, str, int]]] = defaultdict(list)
    for index, (sample, at) in enumerate(zip(samples, times, strict=True)):
        place = sample.location or "?"
        if sample.seq_id:
            ids[index] = f"{place}/{sample.seq_id}"
        elif at is None:
            ids[index] = f"{place}/file {sample.where}"
        else:
            timed[place].append((at, sample.path.name, index))
    for place, frames in timed.items():
        start = last = min(frames)[0]
        for at, _, index in sorted(frames):
            if at - last > MOST_GAP:
                start = at
            ids[index] = f"{place}/{start.isoformat()}"
            last = at
    return ids
