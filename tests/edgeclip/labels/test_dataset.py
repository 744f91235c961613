from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from edgeclip.errors import ConfigError, DataError
from edgeclip.labels.dataset import Dataset, load_dataset, read_labels
from support.drawn_images import draw, save, write_table


def _load(folder: Path, rows: list[tuple[object, ...]]) -> Dataset:
    table = write_table(folder / "labels.csv", [("path", "label", "location"), *rows])
    return load_dataset(read_labels(table), {})


def test_identical_bytes_are_used_once_and_named(tmp_path: Path) -> None:
    first = save(tmp_path / "a.jpg", draw("leopard", 0))
    shutil.copy(first, tmp_path / "b.jpg")
    dataset = _load(tmp_path, [("a.jpg", "leopard", "A"), ("b.jpg", "leopard", "B")])
    assert [image.path.name for image in dataset.images] == ["a.jpg"]
    assert dataset.problems[0].what == "same bytes as a.jpg: used once"


def test_identical_bytes_under_two_classes_are_left_out(tmp_path: Path) -> None:
    first = save(tmp_path / "a.jpg", draw("leopard", 0))
    shutil.copy(first, tmp_path / "b.jpg")
    save(tmp_path / "c.jpg", draw("blank", 1))
    rows: list[tuple[object, ...]] = [
        ("a.jpg", "leopard", "A"),
        ("b.jpg", "blank", "A"),
        ("c.jpg", "blank", "A"),
    ]
    dataset = _load(tmp_path, rows)
    assert [image.path.name for image in dataset.images] == ["c.jpg"]
    assert "same bytes under blank, leopard: all left out" in dataset.problems[0].what


def test_an_unreadable_file_is_counted_and_named(tmp_path: Path) -> None:
    save(tmp_path / "a.jpg", draw("leopard", 0))
    (tmp_path / "zero.jpg").write_bytes(b"")
    dataset = _load(tmp_path, [("a.jpg", "leopard", "A"), ("zero.jpg", "blank", "A")])
    assert (dataset.rows, len(dataset.images)) == (2, 1)
    assert [(p.kind, Path(p.where).name) for p in dataset.problems] == [("unreadable", "zero.jpg")]


def test_nothing_usable_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "zero.jpg").write_bytes(b"")
    with pytest.raises(DataError, match="none of 1 labelled files can be used"):
        _load(tmp_path, [("zero.jpg", "blank", "A")])


def test_a_missing_source_says_what_to_name(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder or file"):
        read_labels(tmp_path / "none")


def test_classes_keep_the_order_in_which_they_were_asked_for(table: Path) -> None:
    dataset = load_dataset(read_labels(table), {"blank": ("blank",), "cat": ("leopard",)})
    assert dataset.class_names == ("blank", "cat")
    assert dataset.left_out == {"zebra": 24}


def test_a_class_whose_labels_do_not_occur_is_refused(table: Path) -> None:
    with pytest.raises(ConfigError, match="--class cat: no label tiger"):
        load_dataset(read_labels(table), {"cat": ("tiger",)})


def test_the_data_hash_follows_content_class_and_place_but_not_order(tmp_path: Path) -> None:
    for number in range(2):
        save(tmp_path / f"{number}.jpg", draw("leopard", number))
    rows: list[tuple[object, ...]] = [("0.jpg", "leopard", "A"), ("1.jpg", "blank", "A")]
    first, turned = _load(tmp_path, rows), _load(tmp_path, rows[::-1])
    moved = _load(tmp_path, [("0.jpg", "leopard", "A"), ("1.jpg", "blank", "B")])
    assert first.sha256 == turned.sha256 != moved.sha256


def test_frames_close_in_time_at_one_place_are_one_sequence(tmp_path: Path) -> None:
    names = ["x_20240101_000000.jpg", "x_20240101_000059.jpg", "x_20240101_000200.jpg", "none.jpg"]
    for number, name in enumerate(names):
        save(tmp_path / name, draw("leopard", number))
    dataset = _load(tmp_path, [(name, "leopard", "A") for name in names])
    first, second, third, last = (image.sequence for image in dataset.images)
    assert first == second
    assert len({first, third, last}) == 3
