from __future__ import annotations

from rich.console import Console

from edgeclip.background import BackgroundCheck, CoveredTarget
from edgeclip.evaluation.as_json import comparison_json
from edgeclip.evaluation.comparison import compare
from edgeclip.evaluation_tables import evaluation_tables
from support.judged import Row, contender, judged, many, noisy, sure_of

MANY = many()


def _shown(*arguments: object, width: int = 80, **fields: object) -> str:
    console = Console(width=width, force_terminal=False)
    with console.capture() as captured:
        console.print(evaluation_tables(*arguments, **fields))  # type: ignore[arg-type]
    return captured.get()


def test_all_contenders_stand_side_by_side_and_fit_a_terminal() -> None:
    contenders = [contender(noisy(MANY, 3)), contender(noisy(MANY, 1, seed=1), name="zero-shot")]
    known = [row < 36 for row in range(96)]
    text = _shown(compare(contenders, MANY, targets=["leopard"], is_known_place=known))
    for part in ("leopard, new places: 60 images", "zero-shot", "false alarms", "Confusion"):
        assert part in text
    assert "F1 at known places" in text
    assert "…" not in text


def test_a_class_that_no_image_shows_and_nothing_calls_has_no_figures() -> None:
    compared = compare(
        [contender(sure_of(["blank", "deer"], 0.99))], judged([Row("blank"), Row("deer")]),
        targets=["leopard"], is_known_place=None,
    )  # fmt: skip
    lines = _shown(compared, width=120).splitlines()
    assert next(line for line in lines if "0 of 0" in line).split()[1:4] == ["-", "-", "-"]
    (own,) = comparison_json(compared)["scopes"]["all images"]["contenders"].values()
    figures = own["targets"]["leopard"]
    for part in (figures["recall"], figures["precision"], figures["f1"]):
        assert part["estimate"] is None
    assert figures["sequence_mean"] == {
        "precision": None, "recall": None, "f1": None, "support": 0,
    }  # fmt: skip


def test_names_are_never_read_as_markup() -> None:
    names = ("[/red]", "[bold]", "blank")
    images = judged([Row(name, "[/]") for name in names], names)
    said = contender(sure_of(["leopard", "deer", "blank"]), name="[/x]", on={"[/red]": 0.5})
    text = _shown(compare([said], images, targets=["[/red]"], is_known_place=None), width=160)
    for name in ("[/red]", "[bold]", "[/x]", "[/]"):
        assert name in text


def test_a_background_check_is_shown() -> None:
    check = BackgroundCheck(20, 0.9, 0.4, 0.5, {"leopard": CoveredTarget(10, 0.9, 0.0, 0.0)})
    compared = compare([contender(noisy(MANY, 3))], MANY, targets=["leopard"], is_known_place=None)
    assert "looks at the animal" in _shown(compared, background=check, width=120)
