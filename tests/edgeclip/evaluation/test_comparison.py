from __future__ import annotations

import json

import numpy as np
import pytest

from edgeclip.contenders import Contender
from edgeclip.evaluation.as_json import comparison_json
from edgeclip.evaluation.comparison import Comparison, compare
from support.judged import Row, contender, judged, many, noisy, sure_of

IMAGES = many()


def _contenders() -> list[Contender]:
    return [
        contender(noisy(IMAGES, 4), name="adapter"),
        contender(noisy(IMAGES, 0.3, seed=1), name="zero-shot"),
    ]


def _compared(known: list[bool] | None) -> Comparison:
    return compare(_contenders(), IMAGES, targets=["leopard"], is_known_place=known)


def test_new_and_known_places_are_apart_and_the_new_ones_come_first() -> None:
    known = [row < 36 for row in range(96)]
    found = _compared(known)
    assert [(scope.name, len(scope.rows)) for scope in found.scopes] == [
        ("new places", 60), ("known places", 36),
    ]  # fmt: skip
    new, old = (scope.main.frames.targets["leopard"].f1 for scope in found.scopes)
    assert found.gaps == {"leopard": pytest.approx(old - new)}


def test_a_handful_of_images_says_nothing_of_known_places_against_new_ones() -> None:
    leopards = [row for row, image in enumerate(IMAGES.images) if image.class_name == "leopard"]
    few, enough = ([row in leopards[:count] for row in range(96)] for count in (4, 5))
    assert _compared(few).gaps == {}
    assert set(_compared(enough).gaps) == {"leopard"}


def test_where_nobody_knows_the_training_places_all_images_are_one_scope() -> None:
    found = _compared(None)
    assert [scope.name for scope in found.scopes] == ["all images"]
    assert found.gaps == {}


def test_a_scope_without_images_is_left_out() -> None:
    assert [scope.name for scope in _compared([True] * 96).scopes] == ["known places"]


def test_the_pack_is_compared_with_every_other_on_the_same_images() -> None:
    differences = _compared(None).headline.differences
    assert set(differences) == {"zero-shot"}
    leopard = differences["zero-shot"]["leopard"]
    assert leopard.is_better
    assert leopard.interval.estimate == pytest.approx(leopard.ours - leopard.theirs)
    assert differences["zero-shot"]["macro-F1"].is_better


def test_probabilities_of_other_images_are_refused() -> None:
    with pytest.raises(ValueError, match=r"adapter: probabilities are \(2, 3\)"):
        compare(
            [contender(sure_of(["blank"] * 2))], IMAGES, targets=["leopard"], is_known_place=None
        )


def test_a_contender_without_the_threshold_of_a_target_is_refused() -> None:
    with pytest.raises(ValueError, match="adapter: no threshold of deer"):
        compare(_contenders(), IMAGES, targets=["deer"], is_known_place=None)


def test_all_figures_are_plain_json_and_null_where_not_defined() -> None:
    images = judged([Row("blank", None)])
    found = compare(
        [contender(sure_of(["leopard"]))], images, targets=["leopard"], is_known_place=None
    )
    content = json.loads(json.dumps(comparison_json(found), allow_nan=False))
    target = content["scopes"]["all images"]["contenders"]["adapter"]["targets"]["leopard"]
    assert target["average_precision"]["estimate"] is None
    assert target["alerts"] is None
    assert (target["false_alarms"], target["support"]) == (1, 0)


def test_the_json_holds_what_was_measured() -> None:
    content = comparison_json(_compared([row < 36 for row in range(96)]))
    scope = content["scopes"]["new places"]
    assert (scope["images"], scope["places"]) == (60, 5)
    adapter = scope["contenders"]["adapter"]
    assert set(adapter["targets"]["leopard"]["recall_at_precision"]) == {"0.90", "0.95", "0.98"}
    assert np.sum(adapter["confusion"]) == 60
    assert adapter["targets"]["leopard"]["alerts"]["camera_days"] >= 5
    assert content["contenders"][0]["trainable_params"] == 100


def test_intervals_are_over_places_at_new_ones_and_over_sequences_at_known_ones() -> None:
    found = _compared([row < 36 for row in range(96)])
    new, known = (scope.main.accuracy.groups for scope in found.scopes)
    assert (new, known) == (5, 12)


def test_the_images_of_a_scope_are_those_with_a_label_of_their_own() -> None:
    rows = [Row("leopard", "A", sequence_level=True), Row("leopard", "B"), Row("blank", "B")]
    images = judged(rows)
    both = [contender(sure_of(["leopard", "leopard", "blank"]), name=name) for name in "ab"]
    found = compare(both, images, targets=["leopard"], is_known_place=None)
    assert (found.headline.rows, len(found.headline.judged.images)) == ((1, 2), 2)
    assert found.headline.differences["b"]["leopard"].ours == 1
    assert len(found.judged.images) == 3


def test_a_scope_that_rests_on_labels_of_sequences_alone_is_named() -> None:
    rows = [Row("leopard", "A", sequence_level=True), Row("leopard", "B"), Row("blank", "B")]
    one = [contender(sure_of(["leopard", "leopard", "blank"]))]
    known = [False, True, True]
    found = compare(one, judged(rows), targets=["leopard"], is_known_place=known)
    (note,) = found.notes
    assert note.startswith("new places: all 1 images have the label of their whole sequence")
    every = compare(one, judged(rows), targets=["leopard"], is_known_place=None)
    assert every.notes == ()
