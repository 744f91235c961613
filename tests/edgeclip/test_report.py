from __future__ import annotations

import csv
import dataclasses
import io
import json
import re
from collections.abc import Sequence
from datetime import datetime, timezone

import pytest

from edgeclip.background import BackgroundCheck, CoveredTarget
from edgeclip.contenders import Contender
from edgeclip.evaluation.comparison import compare
from edgeclip.evaluation.images import JudgedImages
from edgeclip.openings import Opening
from edgeclip.report import report_files
from edgeclip.report_data import ReportData, ReportTable
from support.judged import NAMES, Row, contender, judged, many, noisy, sure_of
from support.samples import pack_manifest

AT = datetime(2026, 6, 1, tzinfo=timezone.utc)


def _data(
    images: JudgedImages,
    contenders: Sequence[Contender],
    *,
    known: list[bool] | None = None,
    background: BackgroundCheck | None = None,
    tables: Sequence[ReportTable] = (),
    notes: Sequence[str] = (),
) -> ReportData:
    targets = list(contenders[0].thresholds)
    comparison = compare(contenders, images, targets=targets, is_known_place=known)
    opening = Opening(at=AT, by="evaluate", images=len(images.images), images_sha256="a" * 64)
    return ReportData(
        pack_manifest(), comparison, notes, [opening], background=background, tables=tables
    )


def _page(*arguments: object, **fields: object) -> str:
    return report_files(_data(*arguments, **fields))["index.html"]  # type: ignore[arg-type]


MANY = many()
TWO = [
    contender(noisy(MANY, 3), name="adapter", uncalibrated=noisy(MANY, 2)),
    contender(noisy(MANY, 1, seed=1), name="zero-shot"),
]


def test_the_important_figures_come_first_and_the_words_last() -> None:
    page = _page(MANY, TWO, known=[row < 36 for row in range(96)])
    parts = (
        "How good it is at places that it has never seen", "<h2>Compared", "<h3>False alarms",
        "<h3>Missed", "<h3>Found", "<h2>Pictures", "<h2>By circumstances", "<h2>All classes",
        "<h2>How often", "<h2>Words",
    )  # fmt: skip
    places = [page.index(part) for part in parts]
    assert places == sorted(places)
    assert "Known against new places" in page


def test_every_contender_is_shown_with_what_it_needed() -> None:
    page = _page(MANY, TWO)
    for text in ("adapter (this pack)", "zero-shot", "trained parameters", "this pack gains"):
        assert text in page


def test_the_page_needs_nothing_from_elsewhere_and_is_the_same_each_time() -> None:
    first, second = (_page(MANY, TWO) for _ in range(2))
    assert first == second
    assert not re.search(r'(src|href)="(?!data:)', first)


HOSTILE = "<script>alert(1)</script>\"'&{{7*7}}$x_"


def test_hostile_names_are_text_everywhere() -> None:
    names = (HOSTILE, "deer", "blank")
    rows = [Row(name, f"{HOSTILE}{n}", n * 100.0) for n, name in enumerate(names * 4)]
    said = contender(sure_of(["leopard", "leopard", "blank"] * 4), name=HOSTILE, on={HOSTILE: 0.5})
    other = contender(sure_of(["blank"] * 12), name=f"{HOSTILE}2", on={HOSTILE: 0.4})
    table = ReportTable(HOSTILE, HOSTILE, [HOSTILE], [[HOSTILE]])
    page = _page(judged(rows, names), [said, other], notes=[HOSTILE], tables=[table])
    assert "<script" not in page
    assert "49" not in re.findall(r"\{\{.*?\}\}|&#39;&amp;(\d+)", page)
    assert "&lt;script&gt;" in page


EMPTY_CASES: dict[str, tuple[JudgedImages, list[str]]] = {
    "one image": (judged([Row("leopard")]), ["leopard"]),
    "no target image": (judged([Row("blank", place) for place in "ABCDEF"]), ["blank"] * 6),
    "no place and no time": (judged([Row("leopard", None)] * 4), ["leopard"] * 4),
    "only false alarms": (judged([Row("blank")] * 3), ["leopard"] * 3),
    "only missed": (judged([Row("leopard")] * 3), ["blank"] * 3),
    "one place with times": (judged([Row("leopard", "A", n) for n in range(9)]), ["deer"] * 9),
}


@pytest.mark.parametrize(("images", "said"), EMPTY_CASES.values(), ids=EMPTY_CASES)
def test_a_page_is_made_whatever_is_missing(images: JudgedImages, said: list[str]) -> None:
    files = report_files(_data(images, [contender(sure_of(said))]))
    page = files["index.html"]
    assert "nan" not in re.sub(r"data:[^\"]+", "", page)
    assert json.loads(files["metrics.json"])["contenders"][0]["name"] == "adapter"


def test_a_pack_without_the_class_blank_says_nothing_of_blanks() -> None:
    names = ("leopard", "deer")
    images = judged([Row(name, "A") for name in names * 3], names)
    page = _page(images, [contender([[0.9, 0.1], [0.2, 0.8]] * 3)])
    assert "blank images could be put aside" not in page
    assert "<h3>Blanks put aside" not in page


def test_where_times_are_missing_the_rate_of_false_alarms_is_unknown() -> None:
    page = _page(judged([Row("leopard", "A")] * 3), [contender(sure_of(["leopard"] * 3))])
    assert "<b>unknown</b><span>false alarms a camera and day" in page


def test_few_places_show_their_values_instead_of_an_interval() -> None:
    rows = [Row("leopard", place) for place in "AABB"]
    page = _page(judged(rows), [contender(sure_of(["leopard", "leopard", "leopard", "blank"]))])
    assert "too few places for more certainty: A 100 %, B 50 %" in page


def test_a_background_check_is_shown_with_its_verdict() -> None:
    check = BackgroundCheck(20, 0.9, 0.8, 0.5, {"leopard": CoveredTarget(10, 0.9, 0.8, 0.0)})
    data = _data(MANY, TWO, background=check)
    files = report_files(data)
    assert "looks at the place" in files["index.html"]
    assert json.loads(files["metrics.json"])["background_check"]["prior"] == 0.5


@pytest.mark.parametrize(("looks", "said"), [(1, "before, once."), (2, "some of them 2 times.")])
def test_the_page_says_how_often_its_images_were_looked_at(looks: int, said: str) -> None:
    data = _data(MANY, TWO)
    data = dataclasses.replace(data, openings=[*data.openings] * (looks + 1))
    assert said in report_files(data)["index.html"]


def test_further_tables_are_shown_as_they_are() -> None:
    table = ReportTable("The ladder", "What was tried.", ["method", "F1"], [["visual", "0.9"]])
    page = _page(MANY, TWO, tables=[table])
    assert "<h3>The ladder</h3>" in page
    assert "<td>visual</td><td>0.9</td>" in page


def test_what_is_for_reference_is_folded_behind_all_else_and_sentences_are_wrapped() -> None:
    why = "better than zero-shot"
    first = ReportTable("Ladder", "Tried.", ["F1", "verdict"], [["0.9", why]], prose=["verdict"])
    last = ReportTable("Recipe", "All.", ["", "value"], [["seed", "3"]], is_folded=True)
    page = _page(MANY, TWO, tables=[last, first])
    assert page.index("<h3>Ladder") < page.index("<h2>Where it errs") < page.index("<h2>Recipe")
    assert f'<td>0.9</td><td class="text">{why}</td>' in page
    assert "<summary>Show all 1 rows</summary>" in page


@pytest.mark.parametrize(("place", "said"), [("A", "A, known place"), (None, "unknown place")])
def test_a_picture_says_of_which_place_it_is(place: str | None, said: str) -> None:
    images = judged([Row("blank", place)] * 3)
    page = _page(images, [contender(sure_of(["leopard"] * 3))], known=[True] * 3)
    captions = re.findall(r"<figcaption>.*?</figcaption>", page, re.DOTALL)
    assert any(said in caption for caption in captions)
    assert not any("unknown place, known place" in caption for caption in captions)


def test_doubtful_labels_are_shown_to_be_looked_at() -> None:
    rows = [Row(name, "A") for name in NAMES * 5]
    said = list(NAMES * 5)
    said[0] = "blank"
    page = _page(judged(rows), [contender(sure_of(said, 0.9))])
    assert "1 of 15 labels (7 %) are contradicted with confidence" in page


def test_the_predictions_are_a_table_of_every_contender() -> None:
    files = report_files(_data(MANY, TWO, known=[row < 36 for row in range(96)]))
    rows = list(csv.DictReader(io.StringIO(files["predictions.csv"])))
    assert len(rows) == 96
    assert {row["scope"] for row in rows} == {"new places", "known places"}
    sums = [sum(float(row[f"zero-shot: p({name})"]) for name in NAMES) for row in rows]
    assert sums == pytest.approx([1] * 96, abs=1e-5)
