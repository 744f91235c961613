from __future__ import annotations

import json
import math

import numpy as np
import pytest

from edgeclip.errors import GateError, ParityError
from edgeclip_export.checks import Check, Checklist


def test_a_passed_check_is_a_line_with_tick_number_and_limit() -> None:
    check = Check.at_most("torch: logits", 0.00123, 5e-3, "12 images")
    assert check.line() == "✓ torch: logits  1.23e-03 (at most 0.005)  12 images"


def test_a_check_that_was_not_made_has_a_dash_and_the_reason() -> None:
    line = Check("an engine can be built", None, note="not checked here: no runtime").line()
    assert line == "- an engine can be built  not checked here: no runtime"


@pytest.mark.parametrize("value", [0.02, math.nan, math.inf])
def test_a_value_beyond_the_limit_or_not_a_number_fails(value: float) -> None:
    check = Check.at_most("logits", value, 0.01)
    assert check.passed is False
    assert check.line().startswith("✗ logits")


def test_a_check_of_numpys_truth_fails_as_well() -> None:
    checklist = Checklist(lambda _: None)
    checklist.add(Check.at_most("logits", np.float64(2.0), 1.0), Check("finite", np.False_))  # type: ignore[arg-type]  # as callers pass it
    with pytest.raises(GateError, match="and 1 more"):
        checklist.require(GateError, "train again")
    assert json.loads(json.dumps([check.to_dict() for check in checklist.checks]))


def test_a_limit_is_shown_as_it_is() -> None:
    assert "(at most 65504)" in Check.at_most("weights", 70_000.0, 65504.0).line()


def test_the_limit_itself_passes() -> None:
    assert Check.at_most("logits", 0.01, 0.01).passed


def test_each_check_is_handed_on_as_it_comes() -> None:
    seen: list[Check] = []
    checklist = Checklist(seen.append)
    first, second = Check("a", True), Check("b", None)
    checklist.add(first)
    checklist.add(second)
    assert seen == checklist.checks == [first, second]
    checklist.require(GateError, "nothing to do")


def test_a_failed_check_is_raised_with_how_many_others_and_the_remedy() -> None:
    checklist = Checklist(lambda _: None)
    checklist.add(Check("a", True), Check.at_most("b", 2.0, 1.0), Check("c", False))
    with pytest.raises(ParityError) as caught:
        checklist.require(ParityError, "train again")
    assert str(caught.value) == "b  2.00e+00 (at most 1) and 1 more: train again"


def test_a_check_can_be_told_what_it_is_about() -> None:
    assert Check("is valid", True).about("model.onnx").name == "model.onnx: is valid"
