from __future__ import annotations

from pathlib import Path

import pytest

from edgeclip.errors import DataError
from edgeclip.labels import folder
from edgeclip.labels.reading import ReadingOptions
from edgeclip.labels.sample import LabelTable
from edgeclip.labels.sources import read_source
from support.drawn_images import draw, save


def read_folder(root: Path, **options: object) -> LabelTable:
    return folder.read_folder(ReadingOptions.model_validate({"data": root, **options}))


def _fill(root: Path, *names: str) -> Path:
    for number, name in enumerate(names):
        save(root / name, draw("leopard", number))
    return root


def test_a_folder_a_class_is_read(tmp_path: Path) -> None:
    table = read_folder(_fill(tmp_path, "leopard/a.JPG", "leopard/deep/b.png", "empty/c.jpg"))
    assert [(s.label, s.location) for s in table.samples] == [
        ("empty", None), ("leopard", None), ("leopard", None),
    ]  # fmt: skip
    assert "layout label (guessed" in table.notes[0]


def test_a_location_above_the_class_is_guessed_from_names_that_repeat(tmp_path: Path) -> None:
    table = read_folder(_fill(tmp_path, "A/leopard/a.jpg", "B/leopard/b.jpg", "B/civet/c.jpg"))
    assert {(s.location, s.label) for s in table.samples} == {
        ("A", "leopard"), ("B", "leopard"), ("B", "civet"),
    }  # fmt: skip
    assert "leopard stands below several" in table.notes[0]


def test_a_layout_that_is_asked_for_is_taken(tmp_path: Path) -> None:
    root = _fill(tmp_path, "A/leopard/a.jpg", "B/leopard/b.jpg")
    labels = {sample.label for sample in read_folder(root, layout="label").samples}
    assert labels == {"A", "B"}


def test_hidden_files_and_other_files_are_skipped(tmp_path: Path) -> None:
    root = _fill(tmp_path, "leopard/a.jpg", "leopard/._a.jpg", ".trash/leopard/b.jpg")
    (root / "leopard/Thumbs.db").write_bytes(b"x")
    (root / "leopard/notes.txt").write_bytes(b"x")
    table = read_folder(root)
    assert len(table.samples) == 1
    assert "1 files are no images by their suffix: skipped" in table.notes


def test_an_image_beside_the_labels_has_no_label(tmp_path: Path) -> None:
    table = read_folder(_fill(tmp_path, "leopard/a.jpg", "stray.jpg"))
    assert [(p.kind, p.where) for p in table.problems] == [("label", "stray.jpg")]


def test_names_that_differ_only_in_case_are_named(tmp_path: Path) -> None:
    table = read_folder(_fill(tmp_path, "leopard/a.jpg", "leopard/A.jpg"))
    assert "differs only in case" in table.problems[0].what


@pytest.mark.parametrize("names", [[], ["stray.jpg"]], ids=["nothing", "no label folder"])
def test_a_folder_without_labelled_images_says_what_is_expected(
    tmp_path: Path, names: list[str]
) -> None:
    with pytest.raises(DataError, match="expected"):
        read_folder(_fill(tmp_path, *names))


def test_a_camera_between_place_and_class_is_guessed_and_kept(tmp_path: Path) -> None:
    names = [f"{p}/Cam{c}/{s}/a.jpg" for p in "AB" for c in "12" for s in ("leopard", "civet")]
    table = read_folder(_fill(tmp_path, *names))
    assert {(s.location, s.camera, s.label) for s in table.samples} >= {
        ("A", "Cam1", "leopard"), ("B", "Cam2", "civet"),
    }  # fmt: skip
    assert "layout location/camera/label (guessed" in table.notes[0]


def test_folders_that_a_card_made_below_the_class_are_no_classes(tmp_path: Path) -> None:
    names = [f"{p}/{s}/100RECNX/a.jpg" for p in "AB" for s in ("leopard", "civet")]
    table = read_folder(_fill(tmp_path, *names))
    assert {(s.location, s.label) for s in table.samples} == {
        (p, s) for p in "AB" for s in ("leopard", "civet")
    }


@pytest.mark.parametrize(
    ("names", "layout"),
    [
        (["leopard/a.jpg", "blank/b.jpg"], "label"),
        (["A/leopard/a.jpg", "A/empty/b.jpg"], "location/label"),
        (["A/x/leopard/a.jpg", "A/x/vide/b.jpg"], "location/camera/label"),
    ],
    ids=str,
)
def test_a_blanks_folder_tells_the_layout(tmp_path: Path, names: list[str], layout: str) -> None:
    assert read_folder(_fill(tmp_path, *names)).notes[0] == (
        f"layout {layout} (guessed by a blank's folder; else use --layout)"
    )


def test_each_layout_can_be_asked_for(tmp_path: Path) -> None:
    root = _fill(tmp_path, "train/x/y/z/a.jpg")
    wanted = {
        "label": ("train", None, None, None),
        "location/label": ("x", "train", None, None),
        "location/camera/label": ("y", "train", "x", None),
        "split/label": ("x", None, None, "train"),
    }
    for layout, expected in wanted.items():
        (s,) = read_folder(root, layout=layout).samples
        assert (s.label, s.location, s.camera, s.part) == expected


def test_the_folder_of_one_label_names_the_one_above(tmp_path: Path) -> None:
    root = _fill(tmp_path, "jaguar/a.jpg", "jaguar/b.jpg") / "jaguar"
    with pytest.raises(
        DataError, match=f"if jaguar is their label, name the folder above, {tmp_path}$"
    ):
        read_folder(root)


def test_one_image_in_place_of_a_folder_names_the_folder(tmp_path: Path) -> None:
    image = _fill(tmp_path, "jaguar/a.jpg") / "jaguar/a.jpg"
    with pytest.raises(
        DataError, match=f"one image: name the folder above its label's, {tmp_path},"
    ):
        read_source(ReadingOptions(data=image))


def test_an_empty_folder_that_one_stands_in_is_told_what_belongs_below_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"expected <label>/\*\.jpg or a CSV"):
        read_folder(Path())
