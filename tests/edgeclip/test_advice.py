from __future__ import annotations

import numpy as np

from edgeclip.advice import advice
from edgeclip.evaluation.comparison import Comparison, compare
from edgeclip.evaluation.images import JudgedImages
from support.judged import DAY, NIGHT, Row, contender, judged, many, noisy, sure_of


def _said(images: JudgedImages, said: list[str], **fields: object) -> str:
    known = fields.get("known")
    found: Comparison = compare(
        [contender(sure_of(said, 0.999))], images, targets=["leopard"],
        is_known_place=known if isinstance(known, list) else None,
    )  # fmt: skip
    return "\n".join(advice(found))


def _truth(images: JudgedImages) -> list[str]:
    return [image.class_name for image in images.images]


def test_a_good_pack_at_many_places_needs_no_advice() -> None:
    images = many()
    assert _said(images, _truth(images)) == ""


def test_few_places_and_few_images_are_said() -> None:
    images = judged([Row("leopard", "A"), Row("blank", "B")])
    text = _said(images, ["leopard", "blank"])
    assert "Only 2 places were tested" in text
    assert "Only 1 test image shows leopard: one image more or less" in text
    assert "No test image shows leopard: its recall is not known." in _said(
        judged([Row("blank", "A")]), ["blank"]
    )
    assert "No place was known" in _said(judged([Row("blank", None)]), ["blank"])
    assert "Only one place was tested" in _said(judged([Row("blank")]), ["blank"])


def test_a_place_with_most_of_the_false_alarms_is_named() -> None:
    images = many()
    said = _truth(images)
    wrong = [
        row for row, image in enumerate(images.images)
        if image.location == "P3" and image.class_name == "blank"
    ]  # fmt: skip
    for row in wrong:
        said[row] = "leopard"
    assert f"{len(wrong)} of {len(wrong)} false alarms for leopard come from P3" in _said(
        images, said
    )


def test_a_target_that_is_missed_by_night_is_said() -> None:
    rows = [Row("leopard", f"P{n % 6}", saturation=DAY if n < 20 else NIGHT) for n in range(40)]
    said = ["leopard"] * 30 + ["blank"] * 10
    text = _said(judged(rows), said)
    assert "Leopard is missed more often by night (found 50%) than by day (100%)" in text


def test_small_animals_that_are_missed_are_said() -> None:
    rows = [Row("leopard", f"P{n % 6}", box=(0, 0, (n + 1) / 100, 0.5)) for n in range(60)]
    text = _said(judged(rows), ["blank"] * 15 + ["leopard"] * 45)
    assert "Small or distant leopard is found in 25% of its images, large in 100%" in text


def test_places_that_were_learned_are_said() -> None:
    images = many()
    known = [row < 48 for row in range(96)]
    said = [
        name if is_known or name != "leopard" or row % 2 else "blank"
        for row, (name, is_known) in enumerate(zip(_truth(images), known, strict=True))
    ]
    assert "recognised clearly better at places that trained" in _said(images, said, known=known)


def test_a_better_rival_and_wrong_probabilities_are_said() -> None:
    images = many()
    found = compare(
        [
            contender(noisy(images, 0), name="adapter"),
            contender(noisy(images, 6), name="linear probe"),
        ],
        images,
        targets=["leopard"],
        is_known_place=None,
    )
    text = "\n".join(advice(found))
    assert "linear probe found leopard clearly better than this pack" in text
    assert "The probabilities are off by" in text
    assert np.isfinite(found.headline.main.reliability.error)
