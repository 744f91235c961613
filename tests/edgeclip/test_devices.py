from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from edgeclip.adapters.head_graph import HeadOutputs
from edgeclip.adapters.placing import back, moved
from edgeclip.clip import Backbone
from edgeclip.devices import device_for, device_label
from edgeclip.errors import SetupError
from edgeclip.run_costs import read_costs
from edgeclip.run_folder import run_path
from edgeclip.trainer import TrainResult

NO_GPU = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")


def test_the_cpu_is_taken_when_named_whatever_there_is() -> None:
    assert device_for("cpu") == torch.device("cpu")


@NO_GPU
def test_auto_takes_the_cpu_where_there_is_nothing_else_and_the_costs_say_so(
    trained: tuple[Path, TrainResult],
) -> None:
    assert device_for("auto") == torch.device("cpu")
    assert device_label(device_for("auto")) == "cpu"
    costs = read_costs(trained[0])
    assert costs is not None
    assert costs.device == "cpu"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")
def test_auto_takes_a_gpu_where_there_is_one_and_names_it() -> None:
    taken = device_for("auto")
    assert taken.type == "cuda"
    assert device_label(taken) == f"cuda ({torch.cuda.get_device_name()})"


def test_costs_of_an_older_training_do_not_say_where_it_ran(
    trained: tuple[Path, TrainResult], tmp_path: Path
) -> None:
    document = json.loads((trained[0] / "report/costs.json").read_text())
    del document["device"]
    (tmp_path / "report").mkdir()
    (tmp_path / "report/costs.json").write_text(json.dumps(document))
    costs = read_costs(tmp_path)
    assert costs is not None
    assert costs.device is None


@NO_GPU
def test_cuda_is_refused_where_there_is_none_and_nothing_is_left_behind(
    run_training: object, tmp_path: Path
) -> None:
    with pytest.raises(SetupError, match="--device cuda: PyTorch finds no CUDA device here"):
        run_training(tmp_path / "pack", device="cuda")  # type: ignore[operator]
    assert not (tmp_path / "pack").exists()
    assert not run_path(tmp_path / "pack").exists()


def test_slots_and_outputs_that_lie_right_are_not_copied() -> None:
    slots = {"alpha": torch.ones(1, requires_grad=True)}
    assert moved(slots, torch.device("cpu"))["alpha"] is slots["alpha"]
    outputs = HeadOutputs(*torch.zeros(4, 2, 3))
    assert isinstance(back(outputs), HeadOutputs)
    assert all(a is b for a, b in zip(back(outputs), outputs, strict=True))


def test_features_of_another_device_have_keys_of_their_own(
    backbone: Backbone, trained: tuple[Path, TrainResult]
) -> None:
    assert backbone.computed_by == trained[1].manifest.base.weights_sha256
    elsewhere = replace(backbone, tower=copy.deepcopy(backbone.tower).to("meta"))
    assert elsewhere.computed_by == f"{backbone.base.weights_sha256} meta"
