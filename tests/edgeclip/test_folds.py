from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgeclip.errors import DataError
from edgeclip.folds import plan_folds
from edgeclip.parts import PartData
from support.parts import Seen, part_of

NAMES = ("leopard", "blank")


def _places(count: int, *, views: int = 2, sequences: int = 3) -> PartData:
    seen = [
        Seen(name, f"P{place}", (1.0,), f"P{place}/{name}/{number}")
        for place in range(count)
        for name in NAMES
        for number in range(sequences)
    ]
    return part_of(seen, NAMES, views=views)


def _images(part: PartData, rows: NDArray[np.int64]) -> set[int]:
    return {part.regions[int(row)].image for row in rows}


@pytest.mark.parametrize(("places", "rounds"), [(2, 2), (5, 5), (9, 6)])
def test_invariant_35_an_image_is_held_out_once_with_its_place(places: int, rounds: int) -> None:
    part = _places(places)
    folds = plan_folds(part, [0], [], 6)
    assert (folds.level, len(folds.folds)) == ("location", rounds)
    held = [_images(part, fold.held) for fold in folds.folds]
    assert sorted(image for own in held for image in own) == list(range(len(part.images)))
    for fold in folds.folds:
        fitted_to, judged_on = (
            {part.images[index].location for index in _images(part, rows)}
            for rows in (fold.fit, fold.held)
        )
        assert not fitted_to & judged_on


def test_fits_see_all_views_and_judges_the_first_alone() -> None:
    part = _places(4)
    fold = plan_folds(part, [0], [], 6).folds[0]
    assert {part.regions[int(row)].view for row in fold.fit} == {0, 1}
    assert {part.regions[int(row)].view for row in fold.held} == {0}


def test_invariant_35_one_place_is_judged_by_its_sequences() -> None:
    part = _places(1, sequences=5)
    folds = plan_folds(part, [0], [], 6)
    assert folds.level == "sequence"
    for fold in folds.folds:
        sequences = [
            {part.images[index].sequence for index in _images(part, rows)}
            for rows in (fold.fit, fold.held)
        ]
        assert not sequences[0] & sequences[1]


def test_a_target_at_one_place_alone_is_judged_by_sequences() -> None:
    seen = [Seen("leopard", "P0", (1.0,), f"l{n}") for n in range(4)]
    seen += [Seen("blank", f"P{n}", (1.0,), f"b{n}") for n in range(4)]
    assert plan_folds(part_of(seen, NAMES), [0], [], 6).level == "sequence"


def test_the_one_place_of_all_blanks_is_held_out_by_sequences_and_the_others_whole() -> None:
    seen = [Seen("leopard", f"P{n}", (1.0,), f"l{n}{k}") for n in range(4) for k in range(2)]
    seen += [Seen("blank", "P9", (1.0,), f"b{n}") for n in range(8)]
    part = part_of(seen, NAMES)
    folds = plan_folds(part, [0], [], 6)
    assert folds.level == "location or sequence"
    for fold in folds.folds:
        assert set(part.classes[fold.fit].tolist()) == {0, 1}
        fitted_to, held = (_images(part, rows) for rows in (fold.fit, fold.held))
        places = [{part.images[i].location for i in own} - {"P9"} for own in (fitted_to, held)]
        assert not places[0] & places[1]
    assert sum(len(fold.held) for fold in folds.folds) == len(part.images)


def test_every_fit_sees_every_target() -> None:
    seen = [Seen("leopard", f"P{n}", (1.0,)) for n in range(2)]
    seen += [Seen("blank", f"P{n}", (1.0,)) for n in range(12)]
    part = part_of(seen, NAMES)
    for fold in plan_folds(part, [0], [], 6).folds:
        assert 0 in part.classes[fold.fit]


def test_one_round_is_the_validation_part() -> None:
    part = _places(3)
    folds = plan_folds(part, [0], [0, 1], 1)
    assert folds.level == "validation part"
    assert _images(part, folds.folds[0].held) == {0, 1}
    assert not _images(part, folds.folds[0].fit) & {0, 1}


def test_a_target_in_one_sequence_is_refused() -> None:
    seen = [Seen("leopard", "P0", (1.0,), "one") for _ in range(4)]
    seen += [Seen("blank", "P0", (1.0,), f"b{n}") for n in range(4)]
    with pytest.raises(DataError, match="leopard outside the test part stands in one sequence"):
        plan_folds(part_of(seen, NAMES), [0], [], 6)


@example(227)
@example(522)
@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_every_fit_sees_each_class_that_its_round_is_judged_on(seed: int) -> None:
    """Also classes that are no target, as long as they stand at two places."""
    rng = np.random.default_rng(seed)
    names = ("leopard", "deer", "hare", "blank")
    seen = [Seen("leopard", f"P{place}", (1.0,)) for place in range(int(rng.integers(3, 5)))]
    for name in names[1:]:
        for place in rng.choice(6, size=int(rng.integers(2, 4)), replace=False):
            seen += [Seen(name, f"P{place}", (1.0,))] * int(rng.integers(1, 40))
    part = part_of(seen, names)
    for fold in plan_folds(part, [0], [], 6).folds:
        assert set(part.classes[fold.held].tolist()) <= set(part.classes[fold.fit].tolist())


def test_a_target_is_spread_though_that_brings_another_class_together() -> None:
    """Of three classes, two at each of three places, two rounds can hold two apart: not three."""
    names = ("leopard", "deer", "blank")
    at = {
        "P0": {"deer": 2, "blank": 1},
        "P1": {"leopard": 2, "deer": 1},
        "P2": {"leopard": 2, "blank": 1},
    }
    seen = [
        Seen(name, place, (1.0,), f"{place}/{name}/{number}")
        for place, own in at.items()
        for name, count in own.items()
        for number in range(count)
    ]
    part = part_of(seen, names)
    folds = plan_folds(part, [0], [], 6)
    assert (folds.level, len(folds.folds)) == ("location", 2)
    assert all(0 in part.classes[fold.fit] for fold in folds.folds)
