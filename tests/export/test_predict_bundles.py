"""`edgeclip predict` with a bundle: the same answers as its pack in torch, whatever runs it."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from edgeclip.archive.answering import Asked, Views, open_answerer
from edgeclip.archive.predicting import Output, predict_archive
from edgeclip.archive.request import PredictRequest
from edgeclip.clip import Backbone
from edgeclip.errors import (
    BackendError,
    BundleDamagedError,
    BundleMismatchError,
    ConfigError,
    SetupError,
)
from edgeclip.progress import Bars
from edgeclip_export.add_pack import add_pack
from support.drawn_images import draw, save
from support.tiny_packs import SIZE, TinyEncoder, random_tensors, write_tiny_pack


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    for number in range(9):
        save(tmp_path / "archive" / f"{number}.png", draw("leopard", number))
    return tmp_path / "archive"


def _answers(archive: Path, asked: Asked, out: Path) -> list[list[float]]:
    predict_archive(
        PredictRequest(str(archive), asked), Output(out, ["csv"], part_images=4), Bars(quiet=True)
    )
    with (out / "predictions.csv").open(newline="") as file:
        return [
            [float(v) for k, v in row.items() if k.startswith("p(")] for row in csv.DictReader(file)
        ]


def test_a_bundle_in_onnx_runtime_says_what_its_pack_says_in_torch(
    archive: Path, bundle: Path, pack_folder: Path, encoder: TinyEncoder, tmp_path: Path
) -> None:
    in_torch = Asked(pack_folder, backbone=str(encoder.config), pretrained=str(encoder.weights))
    ours = _answers(archive, Asked(bundle, backend="onnxruntime"), tmp_path / "onnx")
    theirs = _answers(archive, in_torch, tmp_path / "torch")
    for one, other in zip(ours, theirs, strict=True):
        assert one == pytest.approx(other, abs=2e-4)


def test_a_bundle_boxes_what_its_pack_boxes(
    bundle: Path, pack_folder: Path, encoder: TinyEncoder
) -> None:
    asked = Asked(pack_folder, backbone=str(encoder.config), pretrained=str(encoder.weights))
    views = np.random.default_rng(1).integers(0, 256, (3, SIZE, SIZE, 3), np.uint8)
    theirs = open_answerer(asked).answer(Views(views, [{}] * 3))
    ours = open_answerer(Asked(bundle, backend="onnxruntime")).answer(Views(views, [{}] * 3))
    for one, other in zip(ours, theirs, strict=True):
        assert one.cells is not None
        assert other.cells is not None
        np.testing.assert_allclose(one.cells, other.cells, atol=2e-3)  # stored in half


def test_auto_takes_onnx_runtime_where_no_engine_runs(bundle: Path) -> None:
    assert open_answerer(Asked(bundle)).name.endswith("onnxruntime fp32")


def test_an_engine_that_cannot_run_here_says_why(bundle: Path) -> None:
    with pytest.raises((SetupError, BackendError), match=r"tensorrt|GPU"):
        open_answerer(Asked(bundle, backend="tensorrt"))


def test_of_several_packs_that_do_not_say_what_they_are_for_one_must_be_chosen(
    bundle: Path, backbone: Backbone, tmp_path: Path
) -> None:
    write_tiny_pack(tmp_path / "other", backbone, random_tensors(2, columns=3, names=()))
    path = tmp_path / "other" / "pack.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"task": "ocelot"}))
    add_pack(bundle, tmp_path / "other", lambda _: None)
    with pytest.raises(
        ConfigError,
        match=r"packs \(leopard, ocelot\), and nothing says which images are for.*--task leopard",
    ):
        open_answerer(Asked(bundle))
    for task in ("leopard", "ocelot"):
        answerer = open_answerer(Asked(bundle, task))
        assert answerer.name.startswith(f"{task}@1.0.0")
        assert not answerer.rows
    with pytest.raises(BundleMismatchError, match="no pack for task 'lynx'"):
        open_answerer(Asked(bundle, "lynx"))


def test_a_damaged_bundle_is_refused(bundle: Path) -> None:
    [graph] = bundle.glob("backbone/*/model.cpu.onnx")
    graph.write_bytes(graph.read_bytes()[:-1])
    with pytest.raises(BundleDamagedError):
        open_answerer(Asked(bundle))


@pytest.mark.parametrize("wrong", [{"backend": "torch"}, {"backbone": "demo"}])
def test_options_of_packs_are_refused_for_a_bundle(bundle: Path, wrong: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="bundle"):
        open_answerer(Asked(bundle, **wrong))
