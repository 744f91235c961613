from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from edgeclip.labels.sample import Sample
from edgeclip.labels.sequences import sequence_ids

START = datetime(2024, 5, 1, 8, tzinfo=timezone.utc)


def _sample(name: str, place: str | None = "ridge", **fields: Any) -> Sample:
    sample = Sample(Path(name), "leopard", place, None, None, None, f"row of {name}")
    return replace(sample, **fields)


def test_gaps_of_up_to_a_minute_at_one_place_are_one_sequence() -> None:
    samples = [_sample("a"), _sample("b"), _sample("c"), _sample("d", "stream")]
    times = [START + timedelta(seconds=s) for s in (0, 60, 121, 60)]
    a, b, c, d = sequence_ids(samples, times)
    assert a == b
    assert len({a, c, d}) == 3


def test_time_lapse_and_motion_never_share_a_sequence() -> None:
    lapse = _sample("a", capture_method="timeLapse")
    motion = _sample("b", capture_method="activityDetection")
    a, b = sequence_ids([lapse, motion], [START, START])
    assert a != b
    own = [_sample("a", seq_id="e1", capture_method="timeLapse"), _sample("b", seq_id="e1")]
    assert len(set(sequence_ids(own, [None, None]))) == 2


def test_samples_of_one_file_share_a_sequence_even_without_a_time() -> None:
    a, again, b = sequence_ids([_sample("a"), _sample("a"), _sample("b")], [None] * 3)
    assert a == again != b


def test_the_sources_id_counts_within_its_place() -> None:
    samples = [_sample("a", seq_id="7"), _sample("b", seq_id="7"), _sample("c", "x", seq_id="7")]
    a, b, c = sequence_ids(samples, [START, None, START])
    assert a == b != c
