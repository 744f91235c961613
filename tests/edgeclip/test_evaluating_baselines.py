"""What a pack is held against in `edgeclip evaluate`, on its own split."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from edgeclip import baseline_runs
from edgeclip.baselines.finetune import FineTuning
from edgeclip.baselines.resnet import untrained_resnet50
from edgeclip.config import Recipe
from edgeclip.contenders import Contender
from edgeclip.errors import ConfigError, DataError, SetupError
from edgeclip.report_data import ReportData
from edgeclip.trainer import TrainResult
from support.drawn_images import DrawnSet, write_set

Evaluate = Callable[..., ReportData]


def test_baselines_stand_beside_the_pack_on_the_same_images(
    run_evaluation: Evaluate, table: Path, trained: tuple[Path, TrainResult]
) -> None:
    data = run_evaluation(table, baselines=("zero-shot", "linear-probe", "tip-adapter"))
    contenders = data.comparison.contenders
    names = ["adapter", "zero-shot", "linear probe", "Tip-Adapter"]
    assert [contender.name for contender in contenders] == names
    assert contenders[1].trainable_params == 0
    assert contenders[2].trainable_params > 0
    costs = trained[1].costs
    assert contenders[0].seconds == pytest.approx(costs.features_s + costs.learning_s)
    assert all(math.isfinite(contender.seconds) for contender in contenders)
    assert contenders[0].peak_memory_mb == pytest.approx(costs.peak_memory_mb)
    assert all(contender.peak_memory_mb > 100 for contender in contenders[1:])  # torch is loaded
    assert (contenders[3].trainable_params, contenders[3].steps) == (0, 0)
    assert contenders[3].note.startswith("alpha ")
    expected = trained[1].comparison.headline.judgements["zero-shot"].frames
    found = data.comparison.headline.judgements["zero-shot"].frames
    assert found.targets["leopard"].support == expected.targets["leopard"].support
    assert set(data.comparison.headline.differences) == {"zero-shot", "linear probe", "Tip-Adapter"}
    # chosen on the very images that the training had held out, threshold and temperature alike
    ours, theirs = (each.targets["leopard"].threshold for each in (found, expected))
    assert ours == pytest.approx(theirs, abs=1e-5)
    assert found.decisions == expected.decisions


def test_baselines_have_the_views_and_rounds_of_the_pack_s_own_recipe(
    run_training: Callable[..., TrainResult],
    run_evaluation: Evaluate,
    table: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runs: list[baseline_runs.BaselineRun] = []

    def keep(names: object, run: baseline_runs.BaselineRun) -> list[Contender]:
        """Remember what the baselines would get; the usual ones would be trained for minutes."""
        assert names == ("zero-shot",)
        runs.append(run)
        return []

    monkeypatch.setattr(baseline_runs, "run_baselines", keep)
    pack, recipe = tmp_path / "own", Recipe(steps=2, views=3, seed=3)
    run_training(pack, recipe=recipe, method="gda", folds=2)
    for said in (False, True):
        data = run_evaluation(table, pack=pack, baselines=("zero-shot",))
        assert any("report/recipe.toml is not there" in note for note in data.notes) is said
        (pack / "report/recipe.toml").unlink(missing_ok=True)
    views = [{region.view for region in run.parts.taught.regions} for run in runs]
    assert views == [{0, 1, 2}, set(range(10))]
    assert [run.parts.folds for run in runs] == [2, 6]


def test_the_resnet_is_fine_tuned_on_the_packs_split_from_weights_of_a_file(
    run_evaluation: Evaluate, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(4)
    weights = tmp_path / "resnet50.safetensors"
    save_file(untrained_resnet50(5, 32).half().state_dict(), weights)
    few = functools.partial(FineTuning, steps=2, batch=4, rates=(1e-3,))
    monkeypatch.setattr(baseline_runs, "FineTuning", few)
    report = tmp_path / "report"
    data = run_evaluation(table, baselines=("resnet50",), resnet_weights=weights, report=report)
    own, resnet = data.comparison.contenders
    assert resnet.name == "ResNet-50 fine-tuned"
    assert resnet.probabilities.shape == own.probabilities.shape
    assert np.allclose(resnet.probabilities.sum(axis=1), 1, atol=1e-5)
    assert resnet.trainable_params == 23_508_032 + 3 * 2049  # all layers, and a new classifier
    assert (resnet.steps, set(resnet.thresholds)) == (4, {"leopard"})  # chosen, then all labels
    assert "starts from resnet50.safetensors" in resnet.note
    assert resnet.note.endswith("temperature and thresholds from the validation part alone")
    assert "from the validation part alone" in (report / "index.html").read_text()


def test_baselines_without_the_training_images_say_what_they_need(
    run_evaluation: Evaluate, tmp_path: Path
) -> None:
    table = write_set(tmp_path / "new", DrawnSet({"leopard": 3, "blank": 3}, locations=2, frames=1))
    with pytest.raises(
        DataError, match="on training images, of which these lack leopard: give the"
    ):
        run_evaluation(table, baselines=("linear-probe",))


def test_a_baseline_that_does_not_exist_is_refused_before_any_work(
    run_evaluation: Evaluate, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="--baseline gpt is not known: use zero-shot, linear"):
        run_evaluation(tmp_path / "none.csv", baselines=("gpt",))


def test_a_device_that_does_not_exist_is_refused_before_any_work(
    run_evaluation: Evaluate, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="--device tpu is not known: use auto, cpu or cuda"):
        run_evaluation(tmp_path / "none.csv", baselines=("resnet50",), device="tpu")


def test_a_resnet_without_weights_says_where_they_belong(
    run_evaluation: Evaluate, table: Path, tmp_path: Path
) -> None:
    with pytest.raises(SetupError):
        run_evaluation(table, baselines=("resnet50",), resnet_weights=tmp_path / "none.safetensors")
