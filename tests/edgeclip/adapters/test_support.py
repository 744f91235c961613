from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from edgeclip.adapters.model import AdapterModel
from edgeclip.adapters.support import (
    Support,
    class_means,
    drawn_start,
    folds,
    left_out_start,
    pooled_views,
)
from edgeclip.config import Recipe
from edgeclip.errors import DataError
from edgeclip.features import Features
from edgeclip.making import Making, left_out_together
from edgeclip.training import TrainingRows
from support.supports import EMBED_DIM, SCALE, start, support


def test_views_of_a_region_become_their_unit_mean_in_order_of_origin() -> None:
    views = torch.randn(5, EMBED_DIM, generator=torch.Generator().manual_seed(0))
    features, rows = pooled_views(views, torch.tensor([7, 3, 7, 3, 5]))
    unit = normalize(views, dim=1)
    expected = normalize(torch.stack([unit[1] + unit[3], unit[4], unit[0] + unit[2]]), dim=1)
    torch.testing.assert_close(features, expected)
    assert rows.tolist() == [1, 4, 0]


def test_class_means_are_those_of_numpy_and_an_absent_class_has_the_mean_of_the_others() -> None:
    few = support((3, 5, 0))
    features, classes = few.features.double().numpy(), few.classes.numpy()
    expected = [features[classes == index].mean(axis=0) for index in (0, 1)]
    means = class_means(few).numpy()
    np.testing.assert_allclose(means[:2], expected, atol=1e-12)
    np.testing.assert_allclose(means[2], np.mean(expected, axis=0), atol=1e-12)


def test_invariant_35_whole_locations_are_left_out_and_each_image_once() -> None:
    many = support((20, 20, 20), locations=11)
    parts = folds(many)
    assert torch.cat(parts).sort().values.tolist() == list(range(60))
    homes = [{many.locations[index] for index in part.tolist()} for part in parts]
    assert len(homes) == 8
    assert sum(len(home) for home in homes) == 11, "no location lies in two parts"


def test_without_locations_each_part_lacks_few_images_of_a_class() -> None:
    even = support((8, 8, 4))
    for part in folds(even):
        assert torch.bincount(even.classes[part]).max() == 1
    assert torch.cat(folds(even)).sort().values.tolist() == list(range(20))


def test_the_only_image_of_a_class_is_never_left_out() -> None:
    few = support((1, 3, 3))
    left = torch.cat(folds(few))
    assert 0 not in few.classes[left]
    assert len(left) == 6
    assert folds(support((1, 1, 1))) == []


def test_a_place_with_all_images_of_a_class_is_not_left_out_where_one_class_would_remain() -> None:
    few = support((4, 4))
    homes = ["a" if label else "b" for label in few.classes.tolist()]
    assert folds(Support(few.features, few.classes, few.start, homes)) == []


def test_a_drawn_start_is_judged_without_the_image_itself() -> None:
    prompted = support((3, 1, 2))
    drawn = drawn_start(prompted.features, prompted.classes, 3, SCALE)
    few = Support(prompted.features, prompted.classes, drawn, prompted.locations, drawn_start=True)
    logits = left_out_start(few)
    for index, label in enumerate(few.classes.tolist()):
        rest = few.classes == label
        rest[index] = False
        if rest.any():
            mean = normalize(few.features[rest].double().mean(dim=0), dim=0)
            assert float(logits[index, label]) == pytest.approx(
                SCALE * float(mean @ few.features[index].double()), abs=1e-6
            )
        else:
            assert not logits[index].any(), "the start knows nothing of it"


def test_prompts_have_not_seen_the_images_and_are_judged_as_they_are() -> None:
    few = support()
    torch.testing.assert_close(left_out_start(few), few.start_logits(few.features))


def test_what_is_left_of_a_drawn_start_is_drawn_again() -> None:
    few = support((3, 3))
    drawn = drawn_start(few.features, few.classes, 2, SCALE)
    rest = Support(few.features, few.classes, drawn, few.locations, drawn_start=True).without(
        torch.tensor([0])
    )
    again = drawn_start(few.features[1:], few.classes[1:], 2, SCALE)
    torch.testing.assert_close(rest.start.weights, again.weights)
    assert len(rest.locations) == 5


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ({"classes": torch.tensor([0, 1, 5])}, "has class 5; known are 0..2"),
        ({"classes": torch.tensor([1, 1, 1])}, "fewer than two classes"),
        ({"features": torch.full((3, EMBED_DIM), torch.nan)}, "not finite"),
        ({"features": torch.zeros(3, 4)}, r"shape \(3, 4\)"),
        ({"locations": ["a"]}, "1 locations"),
    ],
    ids=["unknown class", "one class", "nan", "width", "locations"],
)
def test_a_support_that_cannot_be_used_says_why(damage: dict[str, object], message: str) -> None:
    good: dict[str, object] = {
        "features": support().features[:3],
        "classes": torch.tensor([0, 1, 2]),
        "start": start(),
        "locations": ["a", "b", "c"],
    }
    with pytest.raises(DataError, match=message):
        Support(**(good | damage))  # type: ignore[arg-type]


def _rows(places: list[str], sequences: list[str] | None) -> TrainingRows:
    count = len(places)
    f = np.random.default_rng(0).normal(size=(count, 12)).astype(np.float32)
    return TrainingRows(Features(f, f), np.arange(count) % 2, places, np.arange(count), sequences)


def test_invariant_35_with_one_place_closed_forms_leave_out_whole_bursts() -> None:
    bursts = [f"burst {number // 3}" for number in range(24)]
    rows = _rows(["P"] * 24, bursts)
    few = Making(rows, AdapterModel(start((0, 1)), ()), Recipe()).support()
    parts = folds(few)
    assert sum(len(part) for part in parts) == 24
    for part in parts:
        held = {bursts[int(row)] for row in part}
        assert held.isdisjoint(bursts[row] for row in range(24) if row not in part.tolist())


def test_where_there_are_places_or_no_bursts_places_are_left_out() -> None:
    every = np.arange(6)
    bursts = [str(number) for number in every]
    assert left_out_together(_rows(list("AABBCC"), bursts), every) == list("AABBCC")
    assert left_out_together(_rows(list("AAAAAA"), bursts), every) == bursts
    assert left_out_together(_rows(list("AAAAAA"), None), every) == list("AAAAAA")
