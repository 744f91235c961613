"""Calibration, thresholds and the likelier region: for a baseline as for a pack."""

from __future__ import annotations

import numpy as np
import pytest

from edgeclip.baselines.judging import (
    Cost,
    PartLogits,
    Quality,
    Task,
    best_of,
    judge,
    quality,
)
from edgeclip.calibration import fit_temperature
from edgeclip.contract.postprocess import softmax
from edgeclip.regions import Region
from edgeclip.thresholds import choose_thresholds

TASK = Task(("leopard", "other", "blank"), ("leopard",))
BOX = (0.1, 0.1, 0.3, 0.3)


def part(seed: int, clearness: float = 2.0) -> PartLogits:
    """Twenty images of three classes, each a frame and a crop."""
    rng = np.random.default_rng(seed)
    regions = [Region(image, box, 0) for image in range(20) for box in (None, BOX)]
    classes = np.asarray([region.image % 3 for region in regions], np.int64)
    logits = rng.normal(size=(40, 3)) + clearness * np.eye(3)[classes]
    return PartLogits(regions, classes, logits.astype(np.float32))


def test_the_region_with_the_likelier_target_speaks_for_the_image() -> None:
    regions = [Region(4, None, 0), Region(4, BOX, 0), Region(7, None, 0)]
    logits = np.asarray([[0, 3, 0], [2, 0, 0], [0, 0, 4]], np.float32)
    said = PartLogits(regions, np.asarray([0, 0, 2], np.int64), logits)
    classes, probabilities = said.image_probabilities(TASK, 1.0)
    assert classes.tolist() == [0, 2]
    assert np.allclose(probabilities, softmax(logits[1:], 1.0))


def test_temperature_and_threshold_are_those_that_a_pack_would_get() -> None:
    validation, test = part(1), part(2)
    given = judge("some", validation, test, task=TASK, cost=Cost(5, 6, 7.0, "note"))
    temperature = fit_temperature(validation.logits, validation.classes, TASK.columns)
    classes, known = validation.image_probabilities(TASK, temperature)
    assert given.thresholds == {"leopard": choose_thresholds(known[:, 0], classes == 0).on}
    assert np.array_equal(given.probabilities, test.image_probabilities(TASK, temperature)[1])
    assert (given.trainable_params, given.steps, given.seconds, given.note) == (5, 6, 7.0, "note")


def test_several_columns_of_a_class_are_summed() -> None:
    task = Task(("leopard", "blank"), ("leopard",), (0, 1, 1))
    said = PartLogits([Region(0, None, 0)], np.zeros(1, np.int64), np.zeros((1, 3), np.float32))
    assert np.allclose(said.image_probabilities(task, 1.0)[1], [[1 / 3, 2 / 3]])


def test_clearer_logits_are_of_higher_quality() -> None:
    clear, vague = quality(part(1, 4.0), TASK), quality(part(1, 0.5), TASK)
    assert clear.average_precision > vague.average_precision
    assert clear.log_loss < vague.log_loss


def test_a_target_that_is_no_class_is_refused() -> None:
    with pytest.raises(ValueError, match="okapi"):
        _ = Task(("leopard", "blank"), ("okapi",)).target_indices


def test_of_models_that_are_as_precise_the_better_calibrated_one_is_taken() -> None:
    tried = [Quality(0.80, 0.1, 1.0), Quality(0.95, 0.4, 1.0), Quality(0.945, 0.3, 1.0)]
    assert best_of(tried) == 2
