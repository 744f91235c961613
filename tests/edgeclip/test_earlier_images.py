from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from edgeclip.config import Recipe
from edgeclip.contract.pack import read_pack_manifest
from edgeclip.errors import DataError
from edgeclip.report_data import ReportData
from edgeclip.split_file import read_split_rows
from edgeclip.split_rows import LEARNED_FROM, TESTED
from edgeclip.trainer import TrainResult
from support.drawn_images import DrawnSet, write_set

Trainer = Callable[..., TrainResult]
QUICK = Recipe(steps=2, views=1, seed=3)


def _rows(pack: Path, parts: frozenset[str]) -> set[str]:
    table = read_split_rows(pack / "report/split.csv")
    return {sha256 for sha256, row in table.items() if row.part in parts}


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """Images of other places than the usual ones."""
    drawn = DrawnSet({"leopard": 3, "zebra": 2, "blank": 3}, locations=3)
    table = write_set(tmp_path / "other", drawn)
    table.write_text(table.read_text().replace(",place", ",elsewhere"))
    return table


def test_what_taught_an_earlier_pack_is_not_tested_on_whatever_the_seed(
    trained: tuple[Path, TrainResult], run_training: Trainer, tmp_path: Path
) -> None:
    earlier, taught = trained[0], _rows(trained[0], LEARNED_FROM)
    for seed in (4, 5):  # each alone would make another split
        recipe = QUICK.model_copy(update={"seed": seed})
        out = tmp_path / str(seed)
        result = run_training(out, recipe=recipe, on=earlier, method="prompt", folds=1)
        assert not _rows(out, TESTED) & taught
        assert any("not blind to its adapters" in note for note in result.notes)
    assert "not blind to its adapters" in (out / "report/index.html").read_text()


def test_a_chain_of_packs_keeps_what_taught_the_first(
    trained: tuple[Path, TrainResult], run_training: Trainer, other: Path, tmp_path: Path
) -> None:
    first, second, third = trained[0], tmp_path / "second", tmp_path / "third"
    taught = _rows(first, LEARNED_FROM)
    run_training(second, recipe=QUICK, on=first, data=other, method="prompt", folds=1)
    assert taught < _rows(second, LEARNED_FROM)
    run_training(third, recipe=QUICK, on=second, method="gda", folds=1)
    assert not _rows(third, TESTED) & _rows(second, LEARNED_FROM)
    assert _rows(second, LEARNED_FROM) <= _rows(third, LEARNED_FROM)
    training = read_pack_manifest(third).training
    assert training.earlier_sha256 == read_pack_manifest(second).files["adapter.safetensors"]
    assert training.earlier_known


def test_a_split_that_tests_what_taught_is_refused(
    trained: tuple[Path, TrainResult], run_training: Trainer, tmp_path: Path
) -> None:
    table = (trained[0] / "report/split.csv").read_text()
    swapped = table.replace(",test,", ",X,").replace(",train,", ",test,").replace(",X,", ",train,")
    (tmp_path / "split.csv").write_text(swapped)
    with pytest.raises(DataError, match=r"split\.csv tests on \d+ images that taught .*pack") as e:
        run_training(tmp_path / "new", recipe=QUICK, on=trained[0], method="prompt",
                     split=tmp_path / "split.csv")  # fmt: skip
    assert "\n" not in str(e.value)


def test_a_place_that_taught_is_refused_in_the_test_part_of_a_split(
    trained: tuple[Path, TrainResult], run_training: Trainer, table: Path, tmp_path: Path
) -> None:
    taught, split = (tmp_path / "earlier", tmp_path / "split.csv")
    shutil.copytree(trained[0], taught)
    rows = (taught / "report/split.csv").read_text().splitlines()
    split.write_text("\n".join(rows))
    place = next(row for row in rows if ",test," in row).split(",")[3]
    rows.append(f"{'f' * 64},train,leopard,{place},somewhen,x.jpg")
    (taught / "report/split.csv").write_text("\n".join(rows))
    fields = {"data": table, "recipe": QUICK, "on": taught, "method": "prompt", "split": split}
    with pytest.raises(DataError, match=f"tests at 1 places that taught .*{place}"):
        run_training(tmp_path / "new", **fields)
    result = run_training(tmp_path / "new", **fields, folds=1, allow_random_split=True)
    assert any(note.startswith("RANDOM SPLIT") for note in result.notes)


@pytest.mark.parametrize("lost", [True, False], ids=["no table", "an altered one"])
def test_a_pack_that_does_not_say_what_taught_it_is_a_warning_in_all_that_stand_on_it(
    lost: bool,
    pack: Path,
    run_training: Trainer,
    other: Path,
    run_evaluation: Callable[..., ReportData],
    tmp_path: Path,
) -> None:
    split = pack / "report/split.csv"
    if lost:
        split.unlink()
    else:
        split.write_text(split.read_text().replace(",train,", ",test,", 1))
    second, third = tmp_path / "second", tmp_path / "third"
    result = run_training(second, recipe=QUICK, on=pack, method="prompt", folds=1, data=other)
    assert any(note.startswith("EARLIER IMAGES UNKNOWN") for note in result.notes)
    assert "EARLIER IMAGES UNKNOWN" in (second / "report/index.html").read_text()
    again = run_training(third, recipe=QUICK, on=second, method="gda", folds=1)
    assert any(note.startswith("EARLIER IMAGES UNKNOWN") for note in again.notes)
    data = run_evaluation(other, pack=second)
    assert any("nobody can tell which images taught the pack below" in note for note in data.notes)
