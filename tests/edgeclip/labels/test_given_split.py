from __future__ import annotations

from pathlib import Path

import pytest

from edgeclip.labels.dataset import Dataset, read_dataset
from edgeclip.labels.reading import ReadingOptions
from edgeclip.split_checks import RANDOM_SPLIT
from edgeclip.splits import plan_split
from support.drawn_images import draw, save, write_table


def _read(folder: Path, parts: list[tuple[str, str]], **options: object) -> Dataset:
    """Read a table with an image for each place and part, leopard and blank by turns."""
    rows: list[tuple[object, ...]] = [("path", "label", "site", "split")]
    for number, (place, part) in enumerate(parts):
        for label in ("leopard", "blank"):
            name = f"{number}{label}.jpg"
            save(folder / name, draw(label, number, background=number))
            rows.append((name, label, place, part))
    table = write_table(folder / "labels.csv", rows)
    return read_dataset(ReadingOptions.model_validate({"data": table, **options}))


def test_a_split_that_keeps_places_apart_is_taken(tmp_path: Path) -> None:
    dataset = _read(tmp_path, [("A", "train"), ("B", "val"), ("C", "holdout")])
    assert "the source's split is used" in dataset.notes
    _, split = plan_split(dataset.images, dataset.class_names, [], seed=1)
    assert split.level == "as given"
    assert split.parts == ("train", "train", "validation", "validation", "test", "test")


def test_a_split_that_tears_a_place_is_taken_only_when_asked_for(tmp_path: Path) -> None:
    parts = [("A", "train"), ("B", "val"), ("A", "test")]
    dataset = _read(tmp_path, parts)
    assert all(image.part is None for image in dataset.images)
    assert dataset.notes[-1] == (
        "the source's split is not used: location A lies in two parts (--use-split takes it)"
    )
    asked = _read(tmp_path, parts, use_split=True)
    assert [image.part for image in asked.images][::2] == ["train", "validation", "test"]
    assert asked.notes[-1] == "the source's split is used, although location A lies in two parts"
    _, split = plan_split(asked.images, asked.class_names, [], seed=1)
    assert split.level == "as given"
    assert split.warnings == (RANDOM_SPLIT,)


def test_a_split_that_tears_a_burst_is_never_taken(tmp_path: Path) -> None:
    rows: list[tuple[object, ...]] = [("path", "label", "site", "seq_id", "split")]
    for number, part in enumerate(("train", "val", "test")):
        for label in ("leopard", "blank"):
            save(tmp_path / f"{number}{label}.jpg", draw(label, number, background=number))
            rows.append((f"{number}{label}.jpg", label, "A", "burst", part))
    table = write_table(tmp_path / "labels.csv", rows)
    dataset = read_dataset(ReadingOptions(data=table, use_split=True))
    assert all(image.part is None for image in dataset.images)
    assert dataset.notes[-1] == "the source's split is not used: sequence A/burst lies in two parts"


@pytest.mark.parametrize(
    ("parts", "why"),
    [
        ([("A", "train"), ("B", "test")], "it has no validation"),
        ([("A", "train"), ("B", "val"), ("C", "")], "2 images are in no part of it"),
    ],
    ids=["no validation", "gaps"],
)
def test_a_split_that_is_not_whole_is_not_taken(
    tmp_path: Path, parts: list[tuple[str, str]], why: str
) -> None:
    for use_split in (None, True):
        dataset = _read(tmp_path, parts, use_split=use_split)
        assert dataset.notes[-1] == f"the source's split is not used: {why}"


def test_a_split_can_be_declined(tmp_path: Path) -> None:
    dataset = _read(tmp_path, [("A", "train"), ("B", "val"), ("C", "test")], use_split=False)
    assert dataset.notes[-1] == "the source's split is not used: it was declined"
    assert all(image.part is None for image in dataset.images)


def test_an_unknown_part_is_named(tmp_path: Path) -> None:
    dataset = _read(tmp_path, [("A", "fold7")])
    assert dataset.problems[0].what == "split 'fold7' is none of train, val, test, holdout"


def test_folders_named_train_val_and_test_state_a_split(tmp_path: Path) -> None:
    for number, part in enumerate(("train", "val", "test")):
        for label in ("leopard", "blank"):
            save(tmp_path / part / label / f"{number}.jpg", draw(label, number, background=number))
    dataset = read_dataset(ReadingOptions(data=tmp_path))
    assert [image.part for image in dataset.images] == (
        ["test"] * 2 + ["train"] * 2 + ["validation"] * 2
    )
    assert dataset.class_names == ("leopard", "blank")
