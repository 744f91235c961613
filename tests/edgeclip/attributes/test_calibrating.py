"""Temperatures, figures of places that were held out, and who is called verified."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edgeclip.attributes.calibrating import Calibrated, calibrated, truths
from edgeclip.contract.attributes import AskedGroup, AttributeOption
from edgeclip.labels.dataset import LabelledImage
from edgeclip.labels.scan import ImageFacts

GROUP = AskedGroup(
    name="light",
    column="night",
    view="frame",
    options=[
        AttributeOption(name="day", prompts=["by day"], labels=["0"]),
        AttributeOption(name="night", prompts=["at night"], labels=["1"]),
    ],
)


def _images(said: list[str], places: int = 4) -> list[LabelledImage]:
    return [
        LabelledImage(
            path=Path(f"{index}.jpg"),
            class_name="leopard",
            location=f"place {index % places}",
            captured_at=None,
            sequence=f"burst {index // 2}",
            seq_id=None,
            box=None,
            facts=ImageFacts("a" * 64, 64, 48, 100.0, None),
            said=(("night", text),) if text else (),
        )
        for index, text in enumerate(said)
    ]


def _logits(said: list[str], *, wrong: float, scale: float) -> NDArray[np.float32]:
    """Return logits that are sure of what is true, and as sure of its opposite now and then."""
    rng = np.random.default_rng(3)
    true = np.array([float(text == "1") for text in said])
    sign = np.where(rng.random(len(said)) < wrong, -1, 1) * (2 * true - 1)
    return (scale * np.stack([-sign, sign], axis=1)).astype(np.float32)


def _found(said: list[str], *, wrong: float, scale: float = 5.0, places: int = 4) -> Calibrated:
    images = _images(said, places)
    logits = _logits(said, wrong=wrong, scale=scale)
    return calibrated(GROUP, logits, truths(GROUP, images), images)


MANY = ["0", "1"] * 100


def test_labels_are_matched_by_name_value_and_further_words_without_case() -> None:
    images = _images(["NIGHT", "day", " 1 ", "0", "dusk", ""])
    assert truths(GROUP, images).tolist() == [1, 0, 1, 0, -1, -1]


def test_a_question_whose_answers_are_right_is_verified_and_measured() -> None:
    found = _found(MANY, wrong=0.1)
    measured = found.group.measured
    assert found.why_not == ""
    assert found.group.verified
    assert measured is not None
    assert (measured.images, measured.places, measured.commonest) == (200, 4, 0.5)
    assert measured.accuracy == pytest.approx(0.9, abs=0.05)
    assert measured.told == 1.0
    assert measured.calibration_error < 0.05


def test_the_temperature_takes_back_a_confidence_that_is_too_great() -> None:
    before = np.exp(10) / (np.exp(10) + 1)
    found = _found(MANY, wrong=0.1)
    after = 1 / (1 + np.exp(-10 / found.group.temperature))
    assert before > 0.9999
    assert after == pytest.approx(0.9, abs=0.04)


def test_answers_at_random_are_not_verified_whatever_the_temperature() -> None:
    found = _found(MANY, wrong=0.5)
    assert not found.group.verified
    assert found.group.measured is not None
    assert "reach" in found.why_not


def test_always_the_commonest_answer_is_not_verified() -> None:
    said = ["0"] * 180 + ["1"] * 20
    images = _images(said)
    logits = np.tile(np.array([[3.0, -3.0]], np.float32), (200, 1))
    careless = GROUP.model_copy(update={"threshold": 0.5})
    found = calibrated(careless, logits, truths(GROUP, images), images)
    assert not found.group.verified
    assert found.why_not == (
        "right in 90% of the cases, and naming the commonest answer in 90%: no more"
        " than chance may give"
    )


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ([], "0 animals have a label for it in the column night, of 0 options"),
        (["", ""] * 50, "0 animals have a label"),
        (["0", "1"] * 9, "18 animals have a label"),
        (["0"] * 40 + ["1"] * 4, "44 animals have a label"),
    ],
)
def test_few_labels_leave_a_question_unverified_and_unmeasured(said: list[str], why: str) -> None:
    found = _found(said, wrong=0.0)
    assert found.why_not.startswith(why)
    assert (found.group.verified, found.group.measured) == (False, None)
    assert found.group.temperature == 1.0


def test_one_place_is_held_out_by_bursts_and_one_burst_not_at_all() -> None:
    found = _found(MANY, wrong=0.1, places=1)
    assert found.group.measured is not None
    assert found.group.measured.places == 1
    images = [replace(image, sequence="one") for image in _images(MANY, 1)]
    logits = _logits(MANY, wrong=0.1, scale=5.0)
    alone = calibrated(GROUP, logits, truths(GROUP, images), images)
    assert alone.why_not == "all labels are of one burst"


def test_no_figure_is_of_a_place_that_its_temperature_was_fitted_to() -> None:
    """One place where all is wrong: a temperature that knew it would not be as sure of it."""
    said = MANY
    images = _images(said, places=2)
    logits = _logits(said, wrong=0.0, scale=5.0)
    logits[::2] *= -1  # place 0
    found = calibrated(GROUP, logits, truths(GROUP, images), images)
    measured = found.group.measured
    assert measured is not None
    assert measured.accuracy == 0.5
    assert measured.calibration_error > 0.4  # a fit to both places would say one half of each


def test_a_lead_that_chance_may_give_is_not_verified() -> None:
    said = ["0"] * 148 + ["1"] * 52
    for wrong, is_verified in ((0.25, False), (0.1, True)):
        assert _found(said, wrong=wrong).group.verified == is_verified
