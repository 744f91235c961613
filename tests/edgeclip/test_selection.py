from __future__ import annotations

import numpy as np
import pytest
import torch

from edgeclip.adapters.class_head import ClassHead, ZeroShot
from edgeclip.adapters.model import AdapterModel
from edgeclip.adapters.visual import VisualAdapter
from edgeclip.candidates import Judge, Score
from edgeclip.errors import GateError
from edgeclip.parts import UNKNOWN_PLACE
from edgeclip.selection import Choice, candidate_of, thresholds_of
from support.parts import Seen, part_of

NAMES, COLUMNS = ("leopard", "blank"), [0, 1]
PART = part_of(
    [Seen("leopard", None, (x, 1, 0.3, 0)) for x in (-0.5, 0.1, 0.4)]
    + [Seen("blank", None, (x, -1, 0, 0.3)) for x in (-0.4, 0.1, 0.5)],
    NAMES,
)


def _score(logits: list[tuple[float, float]]) -> Score:
    judge = Judge(PART, np.arange(6), COLUMNS, [0])
    return judge.judge(np.asarray(logits, np.float32))


RIGHT = _score([(2.0, 0.0)] * 3 + [(0.0, 2.0)] * 3)
UPSIDE_DOWN = _score([(0.0, 2.0)] * 3 + [(2.0, 0.0)] * 3)


def _model() -> AdapterModel:
    start = ZeroShot.of(torch.tensor([[1.0, 0, 0, 0], [-1.0, 0, 0, 0]]), COLUMNS, 10.0)
    head = ClassHead(start.head, start.columns, torch.ones(2))
    head.delta.data.fill_(0.5)
    return AdapterModel(start, [VisualAdapter(4, reduction=2, ratio=0.2), head])


def test_a_head_is_stored_at_its_share_with_the_temperature_of_its_score() -> None:
    candidate = candidate_of(_model(), 0.5, RIGHT, {})
    assert candidate.tensors["va_ratio"] == pytest.approx(0.1)
    assert candidate.tensors["temperature"] == np.float32(RIGHT.temperature)
    assert [part.kind for part in candidate.parts] == ["visual", "head"]


def test_a_head_without_components_is_zero_shot() -> None:
    bare = AdapterModel(_model().start, ())
    zero_shot = candidate_of(bare, 1.0, RIGHT, {})
    assert Choice(zero_shot, zero_shot).kept_zero_shot
    assert not Choice(candidate_of(_model(), 1.0, RIGHT, {}), zero_shot).kept_zero_shot


def test_thresholds_tell_apart_what_the_scores_tell_apart() -> None:
    on = thresholds_of(RIGHT, NAMES, [0])["leopard"].on
    np.testing.assert_array_equal(RIGHT.probabilities[:, 0] >= on, RIGHT.classes == 0)


def test_a_precision_out_of_reach_is_refused() -> None:
    with pytest.raises(GateError, match=r"no threshold reaches a precision of 0\.99"):
        thresholds_of(UPSIDE_DOWN, NAMES, [0], min_precision=0.99)


def test_an_image_without_location_is_of_an_unknown_place() -> None:
    assert PART.training_rows().locations == [UNKNOWN_PLACE] * 6
