from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from edgeclip.errors import DataError
from edgeclip.labels.dataset import LabelledImage
from edgeclip.labels.sample import GivenPart
from edgeclip.labels.scan import ImageFacts
from edgeclip.splits import plan_split, split_images


def _image(
    number: int,
    class_name: str,
    location: str | None,
    *,
    tie: str | None = None,
    part: GivenPart | None = None,
) -> LabelledImage:
    facts = ImageFacts(f"{number:064d}", 64, 48, 100.0, None)
    return LabelledImage(
        Path(f"{number}.jpg"), class_name, location, None, f"{location}/{number}", None, None,
        facts, near_duplicate=tie, part=part,
    )  # fmt: skip


def _parts_of(images: Sequence[LabelledImage], parts: Sequence[str], tie: str) -> set[str]:
    return {part for image, part in zip(images, parts, strict=True) if image.near_duplicate == tie}


@pytest.mark.parametrize("places", [8, 2, 1], ids=["by place", "nested", "by sequence"])
def test_copies_of_one_shot_are_never_on_two_sides(places: int) -> None:
    names = ("leopard", "blank")
    images = [
        _image(
            number,
            names[number % 2],
            f"P{number // 2 % places}",
            tie="shot" if number < 6 else None,
        )
        for number in range(64)
    ]
    for seed in range(5):
        split = split_images(images, ["leopard"], seed=seed)
        assert len(_parts_of(images, split.parts, "shot")) == 1


def test_a_split_that_the_source_states_is_taken() -> None:
    parts: list[GivenPart] = ["train", "train", "validation", "test"]
    images = [
        _image(10 * number + place, name, f"P{place}", part=part)
        for place, part in enumerate(parts)
        for number, name in enumerate(("leopard", "civet", "blank"))
    ]
    targets, split = plan_split(images, ["civet", "leopard", "blank"], [], seed=1)
    assert targets == ("civet", "leopard")
    assert split.level == "as given"
    assert split.parts == tuple(image.part for image in images)


def test_a_stated_split_without_a_target_in_each_part_says_which() -> None:
    images = [_image(0, "leopard", "A", part="train"), _image(1, "blank", "B", part="test")]
    with pytest.raises(DataError, match="the given split lacks leopard in a part"):
        plan_split(images, ["leopard", "blank"], ["leopard"], seed=1)
    with pytest.raises(DataError, match="lacks every class but blank in a part"):
        plan_split(images, ["leopard", "blank"], [], seed=1)
