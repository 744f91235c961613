"""Image sets: files, table, bursts and the plans that are refused."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edgeclip.errors import ConfigError
from edgeclip.scenes.image_sets import COLUMNS, ImageSetPlan, write_image_set

PLAN = ImageSetPlan({"leopard": 18, "blank": 18, "impala": 7}, locations=3, seed=4, size=(90, 160))


def pixels_of(path: Path) -> NDArray[np.int64]:
    image = cv2.imread(str(path))
    assert image is not None, path
    return image.astype(np.int64)


def rows_of(table: Path) -> list[dict[str, str]]:
    with table.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_image_set(tmp_path_factory.mktemp("sets") / "set", PLAN)


def test_the_table_has_a_row_an_image_and_the_counts_asked_for(table: Path) -> None:
    rows = rows_of(table)
    assert tuple(rows[0]) == COLUMNS
    assert Counter(row["label"] for row in rows) == Counter(PLAN.counts)
    written = sorted(str(p.relative_to(table.parent)) for p in table.parent.rglob("*.jpg"))
    assert written == sorted(row["path"] for row in rows)


def test_each_image_decodes_at_the_size_asked_for(table: Path) -> None:
    for row in rows_of(table):
        image = pixels_of(table.parent / row["path"])
        assert image.shape == (90, 160, 3)


def test_every_label_is_shown_at_every_location(table: Path) -> None:
    seen = {(row["label"], row["location"]) for row in rows_of(table)}
    places = ("loc-0000", "loc-0001", "loc-0002")
    assert seen == {(label, place) for label in PLAN.counts for place in places}


def test_bursts_have_up_to_three_frames_of_one_label_in_order(table: Path) -> None:
    bursts: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in rows_of(table):
        bursts[row["seq_id"]].append(row)
    assert Counter(len(burst) for burst in bursts.values()) == {3: 14, 1: 1}
    for burst in bursts.values():
        assert len({(row["label"], row["location"]) for row in burst}) == 1
        times = [datetime.fromisoformat(row["datetime"]) for row in burst]
        assert times == sorted(times)
        assert (times[-1] - times[0]).total_seconds() <= 1


def test_frames_of_a_burst_differ(table: Path) -> None:
    first, second = (pixels_of(table.parent / row["path"]) for row in rows_of(table)[:2])
    assert np.abs(first - second).mean() > 1


def test_boxes_are_relative_and_empty_for_blanks(table: Path) -> None:
    for row in rows_of(table):
        texts = [row[name] for name in COLUMNS[5:]]
        if row["label"] == "blank":
            assert texts == [""] * 4
        else:
            x, y, wide, tall = map(float, texts)
            assert 0 <= x < x + wide <= 1.0001
            assert 0 <= y < y + tall <= 1.0001


def test_half_of_each_label_is_infrared(table: Path) -> None:
    def is_grey(row: dict[str, str]) -> bool:
        image = pixels_of(table.parent / row["path"])
        return bool(np.abs(image[..., 0] - image[..., 2]).mean() < 1)

    nights = Counter(row["label"] for row in rows_of(table) if is_grey(row))
    assert nights["leopard"] == nights["blank"] == 9


def test_the_same_plan_gives_the_same_files(table: Path, tmp_path: Path) -> None:
    again = write_image_set(tmp_path / "again", PLAN)
    assert again.read_bytes() == table.read_bytes()
    for row in rows_of(table)[::7]:
        assert (again.parent / row["path"]).read_bytes() == (
            table.parent / row["path"]
        ).read_bytes()


def test_an_empty_plan_gives_a_table_with_a_header_alone(tmp_path: Path) -> None:
    table = write_image_set(tmp_path / "none", replace(PLAN, counts={"blank": 0}))
    assert table.read_text() == ",".join(COLUMNS) + "\n"


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (replace(PLAN, counts={"dragon": 3}), "'dragon' cannot be rendered: use blank, leopard"),
        (replace(PLAN, counts={"blank": -1}), "blank is -1: give 0 or more"),
        (replace(PLAN, locations=0), "locations is 0"),
        (replace(PLAN, first_location=-5), "from -5: give at least one"),
        (replace(PLAN, night_share=1.5), "night_share is 1.5"),
        (replace(PLAN, size=(8, 8)), "at least 64 px"),
    ],
    ids=["label", "count", "locations", "first", "night", "size"],
)
def test_a_plan_that_cannot_be_rendered_is_refused(
    wrong: ImageSetPlan, words: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=words):
        write_image_set(tmp_path / "set", wrong)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_holds_something_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(ConfigError, match=r"is not empty: name another folder$"):
        write_image_set(tmp_path, PLAN)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]
