"""What an evaluation could not use, and what it assumed, is named as a training names it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from edgeclip.cli_evaluate import _show_result
from edgeclip.errors import DataError
from edgeclip.evaluation_images import read_evaluation_images
from edgeclip.labels.reading import ReadingOptions
from edgeclip.progress import Bars
from edgeclip.report_data import ReportData
from support.drawn_images import DrawnSet, write_set

Evaluate = Callable[..., ReportData]


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """A table of leopards and blanks with a cut file, a missing file, and a label of no class."""
    drawn = DrawnSet({"elephant": 1, "leopard": 3, "blank": 3}, locations=3)
    table = write_set(tmp_path / "odd", drawn)
    text = table.read_text().replace(",place", ",elsewhere")
    header, *rows = text.splitlines()
    number = next(number for number, row in enumerate(rows) if ",leopard," in row)
    cut, gone = (table.parent / rows[number + more].partition(",")[0] for more in (0, 1))
    cut.write_bytes(cut.read_bytes()[:500])
    gone.unlink()
    rows[number + 2] = rows[number + 2].replace(",leopard,", ",unknown,")
    table.write_text("\n".join([header, *rows, ""]))
    return table


def test_figures_page_and_terminal_name_what_was_left_out_and_assumed(
    run_evaluation: Evaluate, odd: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = run_evaluation(odd, report=tmp_path / "report")
    figures = json.loads((tmp_path / "report/metrics.json").read_text())["data"]
    kinds = {problem["kind"] for problem in figures["problems"]}
    assert kinds >= {"path", "unreadable"}
    assert figures["left_out"] == {"unknown": 1}
    assert "location = column location" in figures["notes"]
    _show_result(data, Path("pack"), None, as_json=True)
    assert json.loads(capsys.readouterr().out)["data"] == figures
    _show_result(data, Path("pack"), None, as_json=False)
    page = (tmp_path / "report/index.html").read_text()
    for said in (page, " ".join(capsys.readouterr().out.split())):
        assert "damaged or cut short" in said
        assert "no such file" in said
        assert "location = column location" in said


def test_the_account_is_of_all_that_was_read_and_the_images_are_of_the_pack(odd: Path) -> None:
    read = read_evaluation_images(ReadingOptions(data=odd), ["leopard", "blank"], Bars(quiet=True))
    assert {image.class_name for image in read.images} == {"leopard", "blank"}
    assert read.other_classes == {"elephant": 6}
    assert read.summary.usable == len(read.images) + 6


def test_labels_of_other_classes_alone_say_how_to_map_them(odd: Path) -> None:
    with pytest.raises(DataError, match=r"no image of lynx; found .*: map them by --class"):
        read_evaluation_images(ReadingOptions(data=odd), ["lynx"], Bars(quiet=True))
