from __future__ import annotations

from pathlib import Path

import pytest

from edgeclip.labels.columns import ALIASES, BOXES, find_columns

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
