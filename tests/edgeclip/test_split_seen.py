from __future__ import annotations

from collections import defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st

from edgeclip.split_checks import check_parts
from edgeclip.splits import NEEDED, split_images
from support.bursts import bursts_at


def test_known_places_are_tested_by_other_sequences_of_theirs() -> None:
    images = bursts_at(10, 8)
    split = split_images(images, ["leopard"], seed=1)
    held: dict[str, set[str]] = defaultdict(set)
    for part in (*NEEDED, "test_seen"):
        held[part] = {images[i].location or "" for i in split.indices(part)}
    assert held["test_seen"] <= held["train"]
    assert not held["test_seen"] & (held["test"] | held["validation"])
    assert split.warnings == ()


def test_about_15_percent_of_the_training_sequences_are_taken_of_every_class() -> None:
    images = bursts_at(10, 10)
    split = split_images(images, ["leopard"], seed=1)
    for name in ("leopard", "blank"):
        seen, train = (
            sum(images[index].class_name == name for index in split.indices(part))
            for part in ("test_seen", "train")
        )
        assert 0.1 <= seen / (seen + train) <= 0.15


def test_no_place_loses_its_last_sequence_of_a_class() -> None:
    images = bursts_at(10, 2)
    split = split_images(images, ["leopard"], seed=3)
    cells = {(images[i].location, images[i].class_name) for i in split.indices("train")}
    assert {(images[i].location, images[i].class_name) for i in split.indices("test_seen")} <= cells


def test_a_few_training_sequences_stay_together_and_it_is_said() -> None:
    split = split_images(bursts_at(6, 1), ["leopard"], seed=1)
    assert not split.indices("test_seen")
    assert "the difference between known and new places is not known" in split.warnings[-1]


def test_a_split_by_sequence_needs_no_such_part_since_its_test_is_of_known_places() -> None:
    split = split_images(bursts_at(1, 30), ["leopard"], seed=1)
    assert split.level == "sequence"
    assert not split.indices("test_seen")


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 9), st.integers(1, 6), st.integers(0, 3))
def test_the_parts_never_leak(places: int, bursts: int, seed: int) -> None:
    images = bursts_at(places, max(bursts, 3 if places < 3 else 1), ("leopard", "deer", "blank"))
    split = split_images(images, ["leopard"], seed=seed)
    check_parts(images, split.parts, places_apart=split.level != "sequence")
    for part in NEEDED:
        assert any(images[index].class_name == "leopard" for index in split.indices(part))
