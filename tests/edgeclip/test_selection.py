from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from edgeclip.adapters.class_head import ClassHead, ZeroShot
from edgeclip.adapters.model import AdapterModel
from edgeclip.adapters.visual import VisualAdapter
from edgeclip.errors import GateError
from edgeclip.features import Features
from edgeclip.labels.dataset import LabelledImage
from edgeclip.labels.scan import ImageFacts
from edgeclip.parts import UNKNOWN_PLACE, PartData
from edgeclip.regions import Region
from edgeclip.selection import choose_ratio, thresholds_of

NAMES, COLUMNS = ("leopard", "blank"), [0, 1]


def _part(directions: list[tuple[str, tuple[float, ...]]]) -> PartData:
    """One whole frame an image; each is a class and the direction of its features."""
    facts = ImageFacts("a" * 64, 8, 8, 0.0, None)
    images = [
        LabelledImage(Path("x.jpg"), name, None, None, "s", None, None, facts)
        for name, _ in directions
    ]
    f = np.asarray([direction for _, direction in directions], np.float32)
    regions = [Region(index, None, 0) for index in range(len(images))]
    return PartData(images, regions, Features(np.zeros_like(f), f), NAMES)


def _model(delta: list[tuple[float, float]]) -> AdapterModel:
    """Zero-shot looks at the first axis alone; `delta` is what training added."""
    text = torch.tensor([[1.0, 0, 0, 0], [-1.0, 0, 0, 0]])
    start = ZeroShot.of(text, COLUMNS, 10.0)
    head = ClassHead(start.head, start.columns, torch.ones(2))
    head.delta.data.copy_(torch.tensor(delta))
    return AdapterModel(start, [VisualAdapter(4, reduction=2, ratio=0.2), head])


SECOND_AXIS = [(0.0, 0.0), (2.0, -2.0), (0.0, 0.0), (0.0, 0.0)]
PART = _part(
    [("leopard", (x, 1, 0.3, 0)) for x in (-0.5, 0.1, 0.4)]
    + [("blank", (x, -1, 0, 0.3)) for x in (-0.4, 0.1, 0.5)]
)


def test_what_training_found_is_kept_where_it_helps() -> None:
    choice = choose_ratio(_model(SECOND_AXIS), PART, COLUMNS, [0])
    assert not choice.kept_zero_shot
    assert choice.chosen.average_precision == 1 > choice.zero_shot.average_precision


def test_zero_shot_stays_where_training_did_harm() -> None:
    harmful = [(0.0, 0.0), (-2.0, 2.0), (0.0, 0.0), (0.0, 0.0)]
    choice = choose_ratio(_model(harmful), PART, COLUMNS, [0])
    assert choice.kept_zero_shot
    assert choice.chosen is choice.zero_shot
    assert set(choice.chosen.tensors) == {
        "class_weights", "class_bias", "logit_scale", "temperature",
    }  # fmt: skip


def test_zero_shot_stays_where_training_changed_nothing() -> None:
    assert choose_ratio(_model([(0.0, 0.0)] * 4), PART, COLUMNS, [0]).kept_zero_shot


def test_thresholds_come_from_the_part_that_is_given() -> None:
    choice = choose_ratio(_model(SECOND_AXIS), PART, COLUMNS, [0])
    thresholds = thresholds_of(choice.chosen, PART, COLUMNS, [0])
    indices, probabilities = PART.score(choice.chosen.tensors, COLUMNS, [0])
    called = probabilities[:, 0] >= thresholds["leopard"].on
    np.testing.assert_array_equal(called, PART.classes_of(indices) == 0)


def test_a_precision_out_of_reach_is_refused() -> None:
    upside_down = _part([("leopard", (-1, 0, 0, 0)), ("blank", (1, 0, 0, 0))])
    choice = choose_ratio(_model([(0.0, 0.0)] * 4), upside_down, COLUMNS, [0])
    with pytest.raises(GateError, match=r"no threshold reaches a precision of 0\.99"):
        thresholds_of(choice.chosen, upside_down, COLUMNS, [0], min_precision=0.99)


def test_an_image_without_location_is_of_an_unknown_place() -> None:
    assert PART.training_rows().locations == [UNKNOWN_PLACE] * 6
