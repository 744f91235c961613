from __future__ import annotations

import numpy as np
import pytest

from edgeclip.contract.bundle import Tolerance
from edgeclip.contract.engine_gate import EngineParity, Outputs, engine_parity
from edgeclip.contract.pack import Thresholds
from support.samples import pack_manifest

TOLERANCE = Tolerance(one_minus_cosine=1e-3, mean_one_minus_cosine=2e-4, probability=0.02)


def _outputs(*likely: float) -> Outputs:
    """Return outputs whose first class has these probabilities, one an image."""
    first = np.array(likely, np.float32)
    features = np.tile(np.array([0.6, 0.8], np.float32), (len(first), 1))
    return Outputs(features, np.stack([first, 1 - first], axis=1))


def _parity(golden: Outputs, found: Outputs) -> EngineParity:
    pack = pack_manifest()
    name = pack.class_names[0]
    changes = {
        "classes": pack.classes[:2],
        "column_class": [0, 1],
        "thresholds": {name: Thresholds(on=0.8, off=0.7, peak=0.9)},
    }
    return engine_parity(golden, found, pack.model_copy(update=changes), TOLERANCE)


def test_equal_outputs_have_no_problem() -> None:
    parity = _parity(_outputs(0.9, 0.1), _outputs(0.9, 0.1))
    assert parity.problems(TOLERANCE) == []
    assert parity.images == 2
    assert parity.figures()["one_minus_cosine"] == pytest.approx(0, abs=1e-7)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_output_that_is_not_finite_is_the_only_problem_said(value: float) -> None:
    found = _outputs(0.9, 0.1)
    found.image_features[1, 0] = value
    parity = _parity(_outputs(0.9, 0.1), found)
    assert parity.problems(TOLERANCE) == ["outputs are not finite"]
    assert "probability" not in parity.figures()  # JSON has no infinity


def test_one_image_that_points_elsewhere_is_found_though_the_others_are_right() -> None:
    golden, found = _outputs(*[0.9] * 19), _outputs(*[0.9] * 19)
    found.image_features[4] = [0.65, np.sqrt(1 - 0.65**2)]
    parity = _parity(golden, found)
    assert [text.split(" (")[0] for text in parity.problems(TOLERANCE)] == ["1 - cosine 0.0021"]


def test_many_small_errors_are_found_by_their_mean() -> None:
    found = _outputs(*[0.9] * 9)
    found.image_features[:] = [0.6 + 0.02, np.sqrt(1 - 0.62**2)]
    problems = _parity(_outputs(*[0.9] * 9), found).problems(TOLERANCE)
    assert problems == ["mean 1 - cosine 0.00032 (at most 0.0002)"]


def test_a_probability_that_is_off_is_found() -> None:
    problems = _parity(_outputs(0.95), _outputs(0.92)).problems(TOLERANCE)
    assert problems == ["probability off by 0.03 (at most 0.02)"]


@pytest.mark.parametrize(
    ("golden", "found", "others"),
    [
        (0.825, 0.795, 1),  # across the threshold `on` of 0.8
        (0.725, 0.69, 1),  # across `off`, 0.7
        (0.94, 0.89, 1),  # across `peak`, 0.9
        (0.71, 0.695, 0),  # golden lies within 0.02 of `off`
        (0.81, 0.795, 0),  # golden lies within 0.02 of it
        (0.55, 0.45, 1),  # another class is best
        (0.505, 0.495, 0),  # both classes lie within 0.02 of each other
        (0.9, 0.9, 0),
    ],
)
def test_another_decision_counts_unless_it_hung_on_the_tolerance(
    golden: float, found: float, others: int
) -> None:
    parity = _parity(_outputs(golden), _outputs(found))
    assert parity.other_decisions == others
    said = "1 of 1 images are decided otherwise"
    assert (said in parity.problems(TOLERANCE)) is bool(others)
