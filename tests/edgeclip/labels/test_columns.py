from __future__ import annotations

from pathlib import Path

import pytest

from edgeclip.labels.columns import ALIASES, BOXES, find_columns, misspelt

PAGE = Path(__file__).parents[3] / "docs/data-formats.md"


@pytest.mark.parametrize(
    "name",
    [*(n for names in ALIASES.values() for n in names), *(n for group in BOXES for n in group)],
)
def test_every_column_that_is_known_is_documented(name: str) -> None:
    page = PAGE.read_text()
    assert f"`{name}`" in page or name in {"bbox2", "bbox3"}


def test_the_order_of_the_list_decides_and_case_does_not() -> None:
    columns = find_columns(["Species", "LABEL", "image", "FilePath", "Station", "site"])
    assert (columns.path, columns.label, columns.location) == ("FilePath", "LABEL", "site")
    assert "no column for time" in columns.notes


def test_a_box_needs_all_four_columns() -> None:
    assert find_columns(["path", "label", "bbox_x", "bbox_y", "bbox_w"]).box is None
    four = ["bbox_x", "bbox_y", "bbox_w", "bbox_h"]
    assert find_columns(["path", "label", *four]).box == tuple(four)


def test_boxes_by_corners_are_known_where_there_are_none_by_width() -> None:
    corners = ["x_min", "y_min", "x_max", "y_max"]
    columns = find_columns(["path", "label", *corners])
    assert (columns.box, columns.corners) == (tuple(corners), True)
    both = find_columns(["path", "label", *corners, "bbox1", "bbox2", "bbox3", "bbox4"])
    assert (both.box, both.corners) == (("bbox1", "bbox2", "bbox3", "bbox4"), False)


def test_in_timelapse_tables_the_file_is_the_name_below_its_folder() -> None:
    columns = find_columns(["File", "RelativePath", "Path", "label"])
    assert (columns.folder, columns.path) == ("RelativePath", "File")
    assert "path = column File (not Path)" in columns.notes


def test_in_wildlife_insights_the_place_is_the_deployment_and_not_the_files_address() -> None:
    header = ["image_id", "filename", "location", "is_blank", "common_name", "deployment_id"]
    assert find_columns(header).location == "deployment_id"
    assert find_columns(header[:3]).location == "location"


@pytest.mark.parametrize(
    ("written", "meaning", "meant"),
    [
        ("speceis", "label", "species"), ("Labels", "label", "label"),
        ("file_path", "path", "filepath"), (" Filname", "path", "filename"),
        ("Sites", "location", "site"), ("date_capture", "time", "date_captured"),
    ],
)  # fmt: skip
def test_a_misspelt_column_is_told_by_the_name_that_it_is_like(
    written: str, meaning: str, meant: str
) -> None:
    header = ["comment", written, "event"]
    assert misspelt(header, meaning) == (written.strip(), meant)
    columns = find_columns(header)
    assert f"{written.strip()!r} looks like {meant}" in columns.doubts
    assert f"no column for {meaning}" not in columns.notes


def test_a_column_with_a_meaning_of_its_own_is_never_a_misspelt_one() -> None:
    assert misspelt(["camera", "event", "site", "bbox_x", "comment"], "label") is None
    assert misspelt(["dateTimes", "Timestamp"], "time") == ("dateTimes", "datetime")
    assert misspelt(["file_name"], "path") is None
