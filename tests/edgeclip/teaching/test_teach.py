"""A class taught from a few images: what the pack holds, and what stays as it was."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edgeclip.adapters.pack_outputs import outputs_of
from edgeclip.archive.answering import Asked
from edgeclip.archive.predicting import Output, predict_archive
from edgeclip.archive.request import PredictRequest
from edgeclip.clip import Backbone
from edgeclip.contract.hashing import sha256_file
from edgeclip.contract.pack import read_pack_manifest
from edgeclip.contract.preprocess import prepare
from edgeclip.evaluating import evaluate_pack
from edgeclip.evaluation_request import EvaluationRequest
from edgeclip.labels.reading import ReadingOptions
from edgeclip.pack_contents import pack_facts
from edgeclip.packs import Pack, check_golden, load_pack
from edgeclip.progress import Bars
from edgeclip.routed_packs import load_routed
from edgeclip.split_file import read_split_rows
from edgeclip.teaching.teach import TeachResult
from edgeclip.trainer import TrainResult
from support.drawn_images import DrawnSet, draw, save, write_set
from support.tiny_packs import TinyEncoder

Teacher = Callable[..., TeachResult]


def draw_rhino(path: Path, number: int) -> Path:
    """Draw a blue animal, which nothing else is."""
    frame = draw("blank", 1200 + number, background=number)
    frame[10:38, 14:50] = (60, 80, 200)
    return save(path, frame)


def _probabilities(pack: Pack, backbone: Backbone, labels: list[str]) -> NDArray[np.float32]:
    """Return `(n, K)` of new frames; each class of the pack but blank has one column."""
    spec = backbone.preprocess
    frames = [
        prepare(draw(label, 5000 + n, background=n % 6), spec) for n, label in enumerate(labels)
    ]
    return outputs_of(np.stack(frames), backbone, pack.tensors).probabilities.numpy()


@pytest.fixture(scope="module")
def taught(teach_three: Callable[..., tuple[Path, TeachResult]]) -> tuple[Path, TeachResult]:
    return teach_three()


def test_three_images_teach_what_the_pack_did_not_know(
    taught: tuple[Path, TeachResult], backbone: Backbone
) -> None:
    pack = load_pack(taught[0])
    limit = pack.manifest.thresholds["elephant"].on
    labels = ["elephant"] * 6 + ["leopard", "zebra", "blank"] * 4
    found = _probabilities(pack, backbone, labels)[:, -1]
    assert np.median(found[:6]) > found[6:].max()
    assert (found[:6] >= limit).sum() >= 3  # of an encoder of random weights
    assert (found[6:] < limit).all()


def test_the_classes_of_the_pack_lose_the_share_that_the_new_one_takes_and_nothing_else(
    taught: tuple[Path, TeachResult], trained: tuple[Path, TrainResult], backbone: Backbone
) -> None:
    before, after = load_pack(trained[0]), load_pack(taught[0])
    labels = ["elephant", "leopard", "zebra", "blank"] * 3
    old = _probabilities(before, backbone, labels)
    new = _probabilities(after, backbone, labels)
    np.testing.assert_allclose(new[:, :-1], old * (1 - new[:, -1:]), atol=2e-6)


def test_the_adapters_thresholds_and_temperature_of_the_pack_stay_bit_for_bit(
    taught: tuple[Path, TeachResult], trained: tuple[Path, TrainResult]
) -> None:
    before, after = load_pack(trained[0]), load_pack(taught[0])
    assert after.manifest.temperature == before.manifest.temperature
    assert after.manifest.thresholds["leopard"] == before.manifest.thresholds["leopard"]
    for name, tensor in before.tensors.items():
        same = after.tensors[name]
        if name in ("class_weights", "class_bias"):
            same = same[..., : tensor.shape[-1]]
        assert np.array_equal(same, tensor), name
    assert [part.kind for part in after.manifest.adapters] == ["visual", "head", "taught"]


def test_it_is_a_whole_pack_that_says_from_how_little_it_was_taught(
    taught: tuple[Path, TeachResult], trained: tuple[Path, TrainResult], backbone: Backbone
) -> None:
    pack = load_pack(taught[0])
    assert check_golden(pack, backbone) < 1e-5
    manifest, earlier = pack.manifest, trained[1].manifest
    assert (manifest.task, manifest.version) == (earlier.task, "1.1.0")
    assert manifest.training.earlier_sha256 == earlier.files["adapter.safetensors"]
    assert (manifest.training.steps, manifest.training.trainable_params) == (0, 0)
    assert manifest.metrics["taught/elephant/images"] == 3
    assert manifest.metrics["taught/elephant/others"] == 24
    said = json.loads((taught[0] / "report/taught.json").read_text())[0]["said"]
    assert said.startswith("elephant: taught from 3 images, threshold from 24 frames without it")
    assert said.endswith("UNVERIFIED")
    assert len(load_routed(taught[0]).rows[0].keys) > 3


def test_an_evaluation_leaves_out_the_images_that_taught_or_placed_the_threshold(
    taught: tuple[Path, TeachResult], elephants: list[Path], encoder: TinyEncoder, tmp_path: Path
) -> None:
    with (taught[0] / "report/split.csv").open(encoding="utf-8") as file:
        rows = {row["file"]: row for row in csv.DictReader(file)}
    assert rows["e0.png"]["part"] == "train"
    assert rows["leopard0.png"]["part"] == "validation"
    assert any(row["class"] == "zebra" for row in rows.values())  # that taught the pack below
    drawn = write_set(tmp_path / "set", DrawnSet({"elephant": 1, "zebra": 1, "blank": 1}))
    extra = tmp_path / "set/elephant-again.png"
    extra.write_bytes(elephants[0].read_bytes())
    with drawn.open("a", encoding="utf-8") as file:
        file.write("elephant-again.png,elephant,place9,2024-07-01 00:00:00,x,,,,\n")
    request = EvaluationRequest(
        pack=taught[0], reading=ReadingOptions(data=drawn),
        backbone=str(encoder.config), pretrained=str(encoder.weights),
    )  # fmt: skip
    at = taught[1].manifest.created_at
    report = evaluate_pack(request, at=at, bars=Bars(quiet=True))
    assert any("1 images that the pack learned from are left out" in note for note in report.notes)
    said = f"taught: elephant from {taught[1].account.images} images, its threshold is unverified"
    assert said in report.notes
    found = report.comparison.headline.main.frames.targets["elephant"]
    assert found.average_precision > 0.9


def test_folders_below_the_others_are_their_places_as_predict_takes_them(
    run_teaching: Teacher, elephants: list[Path], without: Path, tmp_path: Path
) -> None:
    others = tmp_path / "others"
    for number, file in enumerate(sorted(without.iterdir())[:6]):
        place = others / ("" if number == 0 else f"ridge/cam{number % 2}")
        place.mkdir(parents=True, exist_ok=True)
        (place / file.name).write_bytes(file.read_bytes())
    run_teaching(tmp_path / "pack", elephants[:2], others=(others,))
    rows = read_split_rows(tmp_path / "pack/report/split.csv")
    places = [rows[sha256_file(path)].location for path in others.rglob("*.png")]
    assert sorted(places, key=str) == [None, *["ridge/cam0"] * 2, *["ridge/cam1"] * 3]


def test_an_archive_s_results_say_which_class_was_taught(
    taught: tuple[Path, TeachResult], without: Path, encoder: TinyEncoder, tmp_path: Path
) -> None:
    asked = Asked(taught[0], backbone=str(encoder.config), pretrained=str(encoder.weights))
    request = PredictRequest(str(without), asked)
    results = predict_archive(request, Output(tmp_path / "out", ["csv"]), Bars(quiet=True))
    said = f"taught: elephant from {taught[1].account.images} images, its threshold is unverified"
    assert results.notes == [said]


def test_without_a_pack_the_class_stands_beside_words_for_what_else_walks_past(
    run_teaching: Teacher, elephants: list[Path], without: Path, backbone: Backbone, tmp_path: Path
) -> None:
    result = run_teaching(tmp_path / "pack", elephants[:2], on=None, others=(without,))
    pack = load_pack(tmp_path / "pack")
    assert check_golden(pack, backbone) < 1e-5
    names = ["other animal", "person", "vehicle", "blank", "elephant"]
    assert pack.manifest.class_names == names
    assert pack.manifest.targets == ["elephant"]
    assert "an elephant" not in " ".join(pack.manifest.classes[0].prompts)
    assert (pack.manifest.version, pack.manifest.training.earlier_sha256) == ("1.0.0", None)
    assert pack.manifest.task == "taught-elephant"  # no version of what a training calls elephant
    found = _probabilities(pack, backbone, ["elephant"] * 4 + ["leopard", "zebra", "blank"] * 2)
    limit = result.manifest.thresholds["elephant"].on
    assert (found[:4, -1] >= limit).sum() >= 3
    assert (found[4:, -1] >= limit).sum() <= 1


def test_a_second_class_is_taught_beside_the_first(
    taught: tuple[Path, TeachResult], run_teaching: Teacher, tmp_path: Path, without: Path
) -> None:
    frames = [draw_rhino(tmp_path / f"r{n}.png", n) for n in range(2)]
    run_teaching(tmp_path / "pack", frames, name="rhino", on=taught[0], others=(without,))
    before, after = load_pack(taught[0]), load_pack(tmp_path / "pack")
    assert [part.kind for part in after.manifest.adapters] == ["visual", "head", "taught"]
    columns = before.tensors["class_weights"].shape[1]
    assert np.array_equal(
        after.tensors["class_weights"][:, :columns], before.tensors["class_weights"]
    )
    assert after.manifest.version == "1.2.0"
    assert after.manifest.metrics["taught/elephant/images"] == 3
    assert after.manifest.metrics["taught/rhino/images"] == 2


def test_one_image_alone_teaches_with_the_frames_that_the_pack_carries(
    run_teaching: Teacher, elephants: list[Path], backbone: Backbone, tmp_path: Path
) -> None:
    result = run_teaching(tmp_path / "pack", elephants[:1])
    assert result.account.left_out is None
    assert result.account.carried > 0
    assert "that the pack carries" in result.account.said
    pack = load_pack(tmp_path / "pack")
    found = _probabilities(pack, backbone, ["leopard", "zebra", "blank"] * 4)
    assert (found[:, -1] >= 0.5).mean() <= 0.1


def test_the_same_images_give_the_same_bits(
    taught: tuple[Path, TeachResult],
    run_teaching: Teacher,
    elephants: list[Path],
    without: Path,
    tmp_path: Path,
) -> None:
    run_teaching(tmp_path / "again", elephants[:3], others=(without,))
    first, second = read_pack_manifest(taught[0]), read_pack_manifest(tmp_path / "again")
    assert first == second


def test_what_lies_in_a_pack_tells_that_a_class_was_taught_from_few(
    taught: tuple[Path, TeachResult],
) -> None:
    [facts] = pack_facts(taught[0])
    assert facts["taught"] == ["elephant from 3 images, its threshold is unverified"]


def test_a_training_goes_on_from_a_taught_pack_with_its_classes_in_their_order(
    taught: tuple[Path, TeachResult], run_training: Callable[..., TrainResult], tmp_path: Path
) -> None:
    bursts = {"elephant": 2, "leopard": 2, "zebra": 2, "blank": 2}
    drawn = write_set(tmp_path / "set", DrawnSet(bursts, with_boxes=True))
    names = ("leopard", "zebra", "blank", "elephant")
    result = run_training(
        tmp_path / "pack", data=drawn, on=taught[0], targets=("elephant",), method="gda",
        classes={name: (name,) for name in names},
    )  # fmt: skip
    kinds = [part.kind for part in result.manifest.adapters]
    assert kinds[:3] == ["visual", "head", "taught"]
    before, after = load_pack(taught[0]), load_pack(tmp_path / "pack")
    assert after.manifest.prompts_sha256 == before.manifest.prompts_sha256
