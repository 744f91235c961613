from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeclip.errors import DataError
from edgeclip.labels.dataset import LabelledImage
from edgeclip.split_checks import RANDOM_SPLIT
from edgeclip.split_rows import TESTED, SplitRow
from edgeclip.splits import Split, plan_split, split_images
from edgeclip.taught import Taught
from edgeclip.trainer import TrainResult
from support.bursts import bursts_at

Trainer = Callable[..., TrainResult]
NAMES = ("leopard", "blank")


def _taught(images: list[LabelledImage]) -> Taught:
    rows = {
        image.facts.sha256: SplitRow("train", image.location, image.class_name, image.sequence)
        for image in images
    }
    return Taught(Path("earlier"), rows)


def _tested(images: list[LabelledImage], split: Split) -> list[LabelledImage]:
    return [image for image, part in zip(images, split.parts, strict=True) if part in TESTED]


@settings(max_examples=20, deadline=None)
@given(st.sets(st.integers(0, 191), max_size=30), st.integers(0, 3))
def test_no_image_and_no_sequence_that_taught_is_tested_on(chosen: set[int], seed: int) -> None:
    images = bursts_at(8, 6)
    taught = _taught([images[index] for index in sorted(chosen)])
    split = split_images(images, ["leopard"], seed=seed, taught=taught)
    tested = _tested(images, split)
    assert tested
    assert not {i.facts.sha256 for i in tested} & set(taught.rows)
    assert not {i.sequence for i in tested} & {row.sequence for row in taught.rows.values()}


def test_a_place_that_taught_is_tested_by_other_sequences_at_the_most() -> None:
    images = bursts_at(8, 6)
    taught = _taught([image for image in images if image.location in ("P0", "P1", "P2", "P3")][::9])
    for seed in range(5):
        split = split_images(images, ["leopard"], seed=seed, taught=taught)
        assert split.level == "location"
        assert not {images[i].location for i in split.indices("test")} & taught.places
        assert split.indices("test_seen")


def test_where_all_places_taught_the_test_is_of_other_sequences() -> None:
    images = bursts_at(8, 6)
    taught = _taught([image for image in images if image.sequence[3:] in map(str, range(24))])
    split = split_images(images, ["leopard"], seed=1, taught=taught)
    assert split.level == "sequence"
    assert not {image.facts.sha256 for image in _tested(images, split)} & set(taught.rows)


def test_where_everything_taught_nothing_is_left_to_test_and_the_pack_is_named() -> None:
    images = bursts_at(8, 6)
    with pytest.raises(DataError, match="one of them not among what taught earlier"):
        split_images(images, ["leopard"], seed=1, taught=_taught(images))


def test_a_stated_split_that_tests_what_taught_is_refused_with_an_example() -> None:
    images = bursts_at(8, 6)
    split = split_images(images, ["leopard"], seed=1)
    shown = images[split.indices("test")[0]]
    given_parts = [
        replace(image, part="test" if part in TESTED else part)
        for image, part in zip(images, split.parts, strict=True)
        if part != "test_seen"
    ]
    with pytest.raises(
        DataError,
        match=rf"data's own split tests on 2 images .*{shown.path.name}: add --no-use-split",
    ):
        plan_split(given_parts, NAMES, ["leopard"], seed=1, taught=_taught([shown]))


def test_a_place_that_taught_is_refused_in_a_split_of_the_data_unless_it_is_insisted_on() -> None:
    images = bursts_at(8, 6)
    split = split_images(images, ["leopard"], seed=1)
    stated = [
        replace(image, part=part)
        for image, part in zip(images, split.parts, strict=True)
        if part != "test_seen"
    ]
    shown = images[split.indices("test")[0]]
    elsewhen = replace(shown, facts=replace(shown.facts, sha256="f" * 64), sequence="elsewhen")
    taught = _taught([elsewhen])
    with pytest.raises(DataError, match=rf"at 1 places .*{shown.location}: .*--no-use-split, or"):
        plan_split(stated, NAMES, ["leopard"], seed=1, taught=taught)
    _, taken = plan_split(stated, NAMES, ["leopard"], seed=1, taught=taught, insisted=True)
    assert taken.warnings == (RANDOM_SPLIT,)


def test_the_table_hands_on_what_taught_before() -> None:
    images = bursts_at(8, 6)
    gone = replace(images[0], facts=replace(images[0].facts, sha256="f" * 64))
    split = split_images(images, ["leopard"], seed=1)
    table = replace(split, before=_taught([gone, images[1]])).to_csv(images)
    assert table.count("f" * 64) == 1
    assert f"{'f' * 64},train,leopard,P0,P0/0," in table
    assert table.count(images[1].facts.sha256) == 1
    assert table.splitlines()[1:] == sorted(table.splitlines()[1:])


def test_the_figures_of_rounds_over_what_taught_are_called_not_blind() -> None:
    images = bursts_at(8, 6)
    taught = _taught(images[:10])
    split = split_images(images, ["leopard"], seed=1, taught=taught)
    (said,) = taught.warnings(images, split.parts)
    fitted = len(split.indices("train")) + len(split.indices("validation"))
    assert said.startswith(f"10 of {fitted} images of the rounds taught earlier")
    assert "not blind to its adapters" in said
    assert _taught([]).warnings(images, split.parts) == []
