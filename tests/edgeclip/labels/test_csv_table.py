from __future__ import annotations

from pathlib import Path

import pytest

from edgeclip.errors import DataError
from edgeclip.labels import csv_table
from edgeclip.labels.reading import ReadingOptions
from edgeclip.labels.sample import LabelTable
from support.drawn_images import draw, save, write_table


def read_csv(path: Path, **options: object) -> LabelTable:
    return csv_table.read_csv(ReadingOptions.model_validate({"data": path, **options}))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a.jpg, b.jpg and sub/Taï (3).JPG."""
    for number, name in enumerate(("a.jpg", "b.jpg", "sub/Taï (3).JPG")):
        save(tmp_path / name, draw("leopard", number))
    return tmp_path


def _write(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "labels.csv"
    path.write_bytes(text.encode(encoding))
    return path


def test_a_table_gives_its_samples_in_order(folder: Path) -> None:
    path = _write(
        folder,
        "path,label,location,datetime,seq_id,bbox_x,bbox_y,bbox_w,bbox_h\n"
        "a.jpg, leopard ,ridge,2024-05-12 21:34:05,s1,0.1,0.2,0.3,0.4\n"
        "sub/Taï (3).JPG,empty,,,,,,,\n",
    )
    table = read_csv(path)
    first, second = table.samples
    assert (first.path.name, first.label, first.location, first.seq_id) == (
        "a.jpg", "leopard", "ridge", "s1",
    )  # fmt: skip
    assert first.box == (0.1, 0.2, 0.3, 0.4)
    assert str(first.captured_at) == "2024-05-12 21:34:05+00:00"
    assert (second.path.name, second.location, second.captured_at, second.box) == (
        "Taï (3).JPG", None, None, None,
    )  # fmt: skip
    assert table.problems == ()


@pytest.mark.parametrize(
    ("separator", "word"), [(",", "comma"), (";", "semicolon"), ("\t", "tab")], ids=str
)
def test_the_separator_is_found_and_said(folder: Path, separator: str, word: str) -> None:
    table = read_csv(_write(folder, f"path{separator}label\na.jpg{separator}leopard\n"))
    assert [sample.label for sample in table.samples] == ["leopard"]
    assert any(word in note for note in table.notes)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_other_encodings_are_read_and_said(folder: Path, encoding: str) -> None:
    table = read_csv(_write(folder, "path,label\na.jpg,Löwe\n", encoding))
    assert table.samples[0].label == "Löwe"
    if encoding == "cp1252":
        assert "not UTF-8: check accents" in table.notes[0]


@pytest.mark.parametrize(
    "header",
    ["filepath,species", "FILE,Class", "image_path,common_name", "File_Name,scientificname"],
)
def test_the_names_that_other_tools_write_are_known(folder: Path, header: str) -> None:
    assert len(read_csv(_write(folder, f"{header}\na.jpg,leopard\n")).samples) == 1


def test_timelapse_splits_a_path_in_two_columns(folder: Path) -> None:
    path = _write(folder, "RelativePath,File,species\nsub,Taï (3).JPG,leopard\n")
    assert read_csv(path).samples[0].path.name == "Taï (3).JPG"


def test_of_two_columns_for_one_meaning_the_choice_is_said(folder: Path) -> None:
    table = read_csv(_write(folder, "path,label,species\na.jpg,leopard,cat\n"))
    assert table.samples[0].label == "leopard"
    assert "label = column label (not species)" in table.notes


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty: a header and a row"),
        ("\n\n", "empty: a header and a row"),
        ("name,label\na.jpg,cat\n", "no column for path; columns are name, label"),
        ("path,kind\na.jpg,cat\n", "no column for label; columns are path, kind: call one label,"),
        (
            "path,Speceis\na.jpg,cat\n",
            "columns are path, Speceis: 'Speceis' looks like species: rename it, or call one label",
        ),
        (
            "path,Speceis,locaton\na.jpg,cat,ridge\n",
            "'Speceis' looks like species, 'locaton' looks like location: rename them, or call",
        ),
        ("what,kind\na,cat\n", "no column for path and label; .* image_path, and one label, spec"),
        ("path,label\na.jpg,c\0at\n", "holds NUL bytes"),
        ('path,label\na.jpg,"cat' + "x" * 200_000, "row .* is broken"),
    ],
    ids=[
        "empty",
        "blank lines",
        "no path",
        "no label",
        "misspelt",
        "two misspelt",
        "neither",
        "binary",
        "endless field",
    ],
)
def test_a_table_that_cannot_be_used_says_why(folder: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_csv(_write(folder, text))


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none.csv: cannot be read"):
        read_csv(tmp_path / "none.csv")


def test_text_of_no_known_encoding_is_refused(folder: Path) -> None:
    (folder / "labels.csv").write_bytes(b"path,label\na.jpg,\x81\x8d\n")
    with pytest.raises(DataError, match="neither UTF-8 nor cp1252"):
        read_csv(folder / "labels.csv")


@pytest.mark.parametrize(
    ("row", "kind", "message"),
    [
        ("gone.jpg,leopard,,", "path", "no such file"),
        ("../a.jpg,leopard,,", "path", "leaves the data folder"),
        ("a.jpg,,,", "label", "has no label"),
        (",leopard,,", "path", "the path is empty"),
        ("a.jpg", "label", "has no label"),
        ("a.jpg,leopard,32/13/2024,", "date", "is not a time"),
        ("a.jpg,leopard,1970-01-01 00:00:00,", "date", "is not a time"),
        ("a.jpg,leopard,,5 5 9 9", "box", "is no box"),
    ],
    ids=[
        "no file", "outside", "no label", "no path", "short row", "odd date", "dead clock",
        "odd box",
    ],
)  # fmt: skip
def test_a_bad_row_is_named_and_stops_nothing(
    folder: Path, row: str, kind: str, message: str
) -> None:
    text = f"path,label,datetime,bbox_x,bbox_y,bbox_w,bbox_h\n{row}\nb.jpg,cat,,\n"
    table = read_csv(_write(folder, text))
    assert [sample.path.name for sample in table.samples][-1] == "b.jpg"
    (problem,) = table.problems
    assert (problem.kind, problem.where) == (kind, "labels.csv row 2")
    assert message in problem.what


@pytest.mark.parametrize(
    "box", ["0.5,0.5,0.6,0.1", "a,b,c,d", "0.1,0.1,0,0.2", "nan,0,0.5,0.5", "0.1,,,"]
)
def test_a_box_that_is_not_relative_to_the_frame_is_left_out(folder: Path, box: str) -> None:
    table = read_csv(_write(folder, f"path,label,bbox1,bbox2,bbox3,bbox4\na.jpg,leopard,{box}\n"))
    assert table.samples[0].box is None
    assert [problem.kind for problem in table.problems] == ["box"]


def test_a_data_folder_moves_where_paths_start(folder: Path, tmp_path: Path) -> None:
    elsewhere = write_table(tmp_path / "tables/l.csv", [("path", "label"), ("a.jpg", "leopard")])
    assert read_csv(elsewhere).samples == ()
    assert len(read_csv(elsewhere, data_dir=folder).samples) == 1


def test_absolute_paths_of_another_computer_match_by_their_end(folder: Path) -> None:
    path = _write(folder, "path,label\nC:\\Users\\ana\\cams\\sub\\Taï (3).JPG,leopard\n")
    assert read_csv(path).samples[0].path.name == "Taï (3).JPG"


def test_an_absolute_path_that_fits_two_files_is_refused(folder: Path) -> None:
    for place in ("x/one", "y/one"):
        save(folder / place / "same.jpg", draw("leopard", 1))
    path = _write(folder, "path,label\n/home/ana/one/same.jpg,leopard\n")
    table = read_csv(path)
    assert table.samples == ()
    assert "2 files match equally well: give relative paths" in table.problems[0].what
