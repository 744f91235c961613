from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from edgeclip.errors import ConfigError, DataError
from edgeclip.labels.dataset import LabelledImage
from edgeclip.labels.scan import ImageFacts
from edgeclip.splits import NEEDED, Split, plan_split, split_images


def _image(
    number: int, class_name: str, location: str | None, burst: str | None = None
) -> LabelledImage:
    facts = ImageFacts(f"{number:064d}", 64, 48, 100.0, None)
    sequence = f"{location or '?'}/{burst or f'file {number}'}"
    return LabelledImage(
        Path(f"{number}.jpg"), class_name, location, None, sequence, burst, None, facts
    )


def _images(
    cells: Sequence[tuple[str, str | None]], *, frames: int = 2, ids: bool = True
) -> list[LabelledImage]:
    """Return a burst of frames for each cell of class and location."""
    return [
        _image(number * 10 + frame, name, place, f"burst-{number}" if ids else None)
        for number, (name, place) in enumerate(cells)
        for frame in range(frames)
    ]


def _parts_by(split: Split, images: list[LabelledImage], field: str) -> dict[object, set[str]]:
    parts: dict[object, set[str]] = defaultdict(set)
    for part, image in zip(split.parts, images, strict=True):
        parts[getattr(image, field)].add(part)
    return parts


PLACES = [(name, f"P{place}") for place in range(8) for name in ("leopard", "blank")]


def test_invariant_35_with_enough_places_no_place_is_in_two_parts() -> None:
    images = _images(PLACES)
    split = split_images(images, ["leopard"], seed=1)
    assert split.level == "location"
    assert all(len(parts) == 1 for parts in _parts_by(split, images, "location").values())
    assert not split.indices("test_seen")
    assert len(split.warnings) == 1
    assert "too few sequences at the training places" in split.warnings[0]


def test_with_two_places_the_test_place_is_apart_and_validation_goes_by_sequence() -> None:
    cells = [(name, place) for place in ("A", "B") for name in ("leopard", "blank") * 4]
    images = _images(cells)
    split = split_images(images, ["leopard"], seed=1)
    assert split.level == "location, validation by sequence"
    assert {frozenset(p) for p in _parts_by(split, images, "location").values()} == {
        frozenset({"test"}), frozenset({"train", "validation"}),
    }  # fmt: skip
    assert all(len(parts) == 1 for parts in _parts_by(split, images, "sequence").values())
    assert "too few places" in split.warnings[0]


@pytest.mark.parametrize("place", ["A", None])
def test_with_one_place_or_none_the_report_is_told_that_nothing_is_known(place: str | None) -> None:
    images = _images([(name, place) for name in ("leopard", "blank") for _ in range(4)])
    split = split_images(images, ["leopard"], seed=1)
    assert split.level == "sequence"
    assert "nothing is known about other places" in split.warnings[0]
    assert all(len(parts) == 1 for parts in _parts_by(split, images, "sequence").values())


def test_images_without_place_sequence_and_time_are_warned_of() -> None:
    images = _images([(name, None) for name in ("leopard", "blank") for _ in range(6)], ids=False)
    split = split_images(images, ["leopard"], seed=1)
    assert any("bursts may lie on both sides" in warning for warning in split.warnings)


def test_a_sequence_that_two_places_share_keeps_them_together() -> None:
    images = _images(PLACES)
    images += [_image(900, "leopard", "P0", "moment-x"), _image(901, "leopard", "P1", "moment-x")]
    split = split_images(images, ["leopard"], seed=1)
    parts = _parts_by(split, images, "location")
    assert parts["P0"] == parts["P1"]


def test_short_numbers_count_within_a_place_and_glue_nothing() -> None:
    images = [
        _image(place * 100 + number, name, f"P{place}", str(number))
        for place in range(6)
        for number, name in enumerate(("leopard", "blank", "leopard", "blank"))
    ]
    assert split_images(images, ["leopard"], seed=1).level == "location"


def test_too_few_sequences_are_counted_in_the_error() -> None:
    images = _images([("leopard", "A"), ("leopard", "B"), ("blank", "A")])
    with pytest.raises(DataError, match="leopard 2, others 1; three of each"):
        split_images(images, ["leopard"], seed=1)


def test_the_same_seed_gives_the_same_split_and_table() -> None:
    images = _images(PLACES)
    first, second = (split_images(images, ["leopard"], seed=4) for _ in range(2))
    assert first == second
    assert first.sha256(images) == second.sha256(images)
    assert first.to_csv(images).splitlines()[0] == "sha256,part,class,location,sequence,file"


def test_without_targets_every_class_that_can_be_scored_is_one() -> None:
    images = _images([*PLACES, ("civet", "P0")])
    targets, split = plan_split(images, ("civet", "leopard", "blank"), (), seed=1)
    assert targets == ("leopard",)
    assert split.level == "location"


def test_a_target_that_is_no_class_is_refused() -> None:
    with pytest.raises(ConfigError, match="--target tiger is no class of the data"):
        plan_split(_images(PLACES), ("leopard", "blank"), ["tiger"], seed=1)


def test_a_stated_split_that_tears_places_is_loud_and_one_that_tears_bursts_is_refused() -> None:
    images = [
        dataclasses.replace(image, part=("train", "validation", "test")[number // 2 % 3])
        for number, image in enumerate(
            _images([(n, "A") for n in ("leopard", "blank") * 3 for _ in "abc"])
        )
    ]
    _, split = plan_split(images, ("leopard", "blank"), ["leopard"], seed=1)
    assert split.warnings[0].startswith("RANDOM SPLIT")
    torn = [dataclasses.replace(image, sequence="A/one", seq_id=None) for image in images]
    with pytest.raises(DataError, match="the split leaks"):
        plan_split(torn, ("leopard", "blank"), ["leopard"], seed=1)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["leopard", "blank", "deer"]), st.sampled_from("ABCDEFG")),
        min_size=6,
        max_size=25,
    ),
    st.integers(0, 5),
)
def test_invariant_35_no_burst_and_no_content_is_ever_in_two_parts(
    cells: list[tuple[str, str]], seed: int
) -> None:
    assume(len({name for name, _ in cells}) > 1)
    images = _images([(name, place) for name, place in cells])
    try:
        split = split_images(images, ["leopard"], seed=seed)
    except DataError:
        return
    for field in ("sequence", "facts"):
        assert all(len(parts) == 1 for parts in _parts_by(split, images, field).values())
    for part in NEEDED:
        names = {images[index].class_name for index in split.indices(part)}
        assert "leopard" in names
        assert len(names) > 1
