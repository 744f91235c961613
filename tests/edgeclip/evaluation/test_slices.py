from __future__ import annotations

import numpy as np
import pytest

from edgeclip.evaluation.slices import Slice, slices_of
from support.judged import NIGHT, Row, judged, many


def _by_name(rows: list[Row], decisions: list[int]) -> dict[str, Slice]:
    found = slices_of(judged(rows), np.asarray(decisions), [0])
    return {item.name: item for item in found}


def test_day_and_night_have_figures_of_their_own() -> None:
    rows = [Row("leopard"), Row("blank"), Row("leopard", saturation=NIGHT), Row("leopard")]
    found = _by_name(rows, [0, 0, -1, 0])
    day, night = found["by day"], found["by night (infrared)"]
    assert (day.images, day.targets["leopard"].recall) == (3, 1)
    assert day.targets["leopard"].precision == pytest.approx(2 / 3)
    assert day.right == pytest.approx(2 / 3)
    assert (night.images, night.targets["leopard"].recall, night.right) == (1, 0, 0)


def test_a_circumstance_without_images_is_left_out() -> None:
    assert "by night (infrared)" not in _by_name([Row("leopard")], [0])


def test_sizes_are_thirds_of_the_animals_with_a_box() -> None:
    rows = [Row("leopard", box=(0, 0, n / 10, 1.0)) for n in range(1, 10)] + [Row("blank")] * 3
    found = _by_name(rows, [-1] * 3 + [0] * 9)
    sizes = [item for item in found.values() if item.kind == "size"]
    assert [item.images for item in sizes] == [3, 3, 3]
    assert [item.targets["leopard"].recall for item in sizes] == [0, 1, 1]
    assert sizes[0].name.startswith("small (below ")


def test_without_boxes_there_are_no_sizes() -> None:
    assert all(item.kind != "size" for item in _by_name([Row("leopard")] * 9, [0] * 9).values())


def test_every_place_is_listed_and_the_unknown_one_last() -> None:
    rows = [Row("leopard", place) for place in (None, "B", "A", "B")]
    found = [item for item in _by_name(rows, [0] * 4).values() if item.kind == "place"]
    assert [(item.name, item.images) for item in found] == [
        ("A", 1), ("B", 2), ("unknown place", 1),
    ]  # fmt: skip


def test_a_slice_of_many_places_has_an_interval_and_one_of_few_has_not() -> None:
    images = many()
    slices = slices_of(images, np.where(images.classes == 0, 0, -1), [0])
    by_kind = {item.kind: item.targets["leopard"].f1 for item in slices}
    assert by_kind["light"].is_known
    assert not by_kind["place"].is_known
    assert by_kind["light"].estimate == 1
