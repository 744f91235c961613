from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from edgeclip.errors import DataError
from edgeclip.labels.dataset import LabelledImage
from edgeclip.labels.scan import ImageFacts
from edgeclip.split_checks import check_parts, places_are_apart


def _image(number: int, place: str | None = "A", *, sha: int | None = None) -> LabelledImage:
    facts = ImageFacts(f"{number if sha is None else sha:064d}", 64, 48, 100.0, None)
    return LabelledImage(
        Path(f"{number}.jpg"), "leopard", place, None, f"{place}/{number}", None, None, facts
    )


def _tied(image: LabelledImage, **changes: Any) -> LabelledImage:
    return dataclasses.replace(image, **changes)


CASES = {
    "the same bytes": ([_image(1, "A"), _image(2, "B", sha=1)], "same file is in test and train"),
    "one shot twice": (
        [_tied(_image(n, p), near_duplicate="s") for n, p in ((1, "A"), (2, "B"))],
        "same shot is in test and train: s",
    ),
    "one burst": (
        [_tied(_image(n), sequence="A/burst") for n in (1, 2)],
        "same sequence is in test and train: A/burst",
    ),
    "a moment at two cameras": (
        [_tied(_image(n, p), seq_id="2024-05-01 x") for n, p in ((1, "A"), (2, "B"))],
        "same sequence is in test and train",
    ),
    "one place": ([_image(1), _image(2)], "1 places both teach and test: A"),
}


@pytest.mark.parametrize(("images", "message"), CASES.values(), ids=CASES)
def test_invariant_35_what_is_on_both_sides_is_refused(
    images: list[LabelledImage], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        check_parts(images, ["train", "test"])


def test_a_random_split_can_be_asked_for_but_a_torn_sequence_never() -> None:
    check_parts([_image(1), _image(2)], ["train", "test"], places_apart=False)
    torn = [_tied(_image(n), sequence="A/burst") for n in (1, 2)]
    with pytest.raises(DataError, match="the split leaks"):
        check_parts(torn, ["train", "test"], places_apart=False)


def test_validation_counts_as_learned_from() -> None:
    with pytest.raises(DataError, match="--allow-random-split"):
        check_parts([_image(1), _image(2)], ["validation", "test"])


def test_other_sequences_of_a_training_place_may_be_tested_as_such() -> None:
    images = [_image(1), _image(2), _image(3, "B")]
    check_parts(images, ["train", "test_seen", "test"])
    assert places_are_apart(images, ["train", "test_seen", "test"])
    assert not places_are_apart(images, ["train", "test", "test"])


def test_images_without_a_place_are_only_held_to_their_sequences() -> None:
    check_parts([_image(1, None), _image(2, None)], ["train", "test"])
    with pytest.raises(DataError, match="same sequence"):
        check_parts([_tied(_image(n, None), sequence="?/x") for n in (1, 2)], ["train", "test"])
