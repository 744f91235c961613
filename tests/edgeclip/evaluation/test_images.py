from __future__ import annotations

import numpy as np
import pytest

from edgeclip.evaluation.images import highest_of_sequences, mean_over_sequences, sequence_rows
from support.judged import Row, judged

ROWS = [
    Row("blank", "A", sequence="A/1"),
    Row("leopard", "A", sequence="A/1"),
    Row("blank", "B", sequence="B/1"),
    Row("deer", "B", sequence="B/2"),
    Row("leopard", None, sequence="?/1"),
]


def test_a_sequence_shows_what_any_of_its_frames_shows_and_is_blank_only_if_all_are() -> None:
    rows = sequence_rows(judged(ROWS))
    assert rows.names == ["A/1", "B/1", "B/2", "?/1"]
    assert rows.index.tolist() == [0, 0, 1, 2, 3]
    assert rows.classes.tolist() == [0, 2, 1, 0]
    assert rows.locations == ["A", "B", "B", "unknown place"]


def test_the_bootstrap_draws_sequences_where_no_place_is_known() -> None:
    assert judged(ROWS).groups == ["A", "A", "B", "B", "?/1"]


def test_the_probability_of_a_sequence_is_the_softmax_of_its_mean_logits() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (5, 3))
    frames = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    index = np.asarray([0, 0, 1, 1, 1])
    means = np.stack([logits[:2].mean(axis=0), logits[2:].mean(axis=0)])
    expected = np.exp(means) / np.exp(means).sum(axis=1, keepdims=True)
    found = mean_over_sequences(frames.astype(np.float32), index)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_a_probability_of_zero_in_one_frame_does_not_break_its_sequence() -> None:
    found = mean_over_sequences(np.asarray([[0, 1], [1, 0]], np.float32), np.asarray([0, 0]))
    np.testing.assert_allclose(found, [[0.5, 0.5]])


def test_the_highest_frame_of_a_sequence_is_what_raises_the_first_alert() -> None:
    found = highest_of_sequences(np.asarray([0.2, 0.9, 0.4], np.float32), np.asarray([0, 0, 1]))
    assert found.tolist() == pytest.approx([0.9, 0.4])


def test_images_of_one_sequence_alone_are_that_sequence() -> None:
    rows = sequence_rows(judged(ROWS).among([1]))
    assert (rows.names, rows.classes.tolist()) == (["A/1"], [0])
