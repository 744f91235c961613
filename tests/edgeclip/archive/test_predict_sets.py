"""`edgeclip predict` with a set: each answer counts by the pack that gave it."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from torch import Tensor
from torch.nn import Conv2d, Module
from torch.nn.modules.module import register_module_forward_hook

from edgeclip.archive.answering import Asked, Views, open_answerer
from edgeclip.archive.request import PredictRequest
from edgeclip.archive.results import Results
from edgeclip.clip import Backbone
from edgeclip.combining import combine
from edgeclip.contract.hashing import sha256_file
from edgeclip.contract.pack import read_pack_manifest
from edgeclip.errors import PackError
from edgeclip.set_files import SET_FILE, read_set
from support.megadetector_rules import broken_rules
from support.tiny_packs import SIZE, TinyEncoder

Predict = Callable[..., Results]


def _edit(folder: Path, **fields: object) -> None:
    document = json.loads((folder / "pack.json").read_text())
    hashes = {name: sha256_file(folder / name) for name in document["files"]}
    (folder / "pack.json").write_text(json.dumps(document | fields | {"files": hashes}))


@pytest.fixture
def two(pack: Path, tmp_path: Path) -> Path:
    """A set: at the hill leopards count, at the lake blanks do."""
    lake = Path(shutil.copytree(pack, tmp_path / "lake"))
    _edit(lake, task="lake", thresholds={"blank": {"off": 0.0, "on": 0.0, "peak": 0.5}})
    places = {name: {"place": name} for name in ("hill", "lake")}
    combine([("hill", pack), ("lake", lake)], tmp_path / "set", places)
    return tmp_path / "set"


def _decisions(out: Path) -> set[str]:
    with (out / "predictions.csv").open(newline="") as file:
        return {row["decision"] for row in csv.DictReader(file) if not row["failure"]}


@pytest.mark.parametrize(("place", "target"), [("hill", "leopard"), ("lake", "blank")])
def test_the_pack_that_answers_decides_by_its_own_targets(
    predict: Predict, archive: Path, two: Path, tmp_path: Path, place: str, target: str
) -> None:
    results = predict(archive, pack=two, facts={"place": place}, formats=["csv", "sheets"])
    assert target in _decisions(tmp_path / "out") <= {target, ""}
    assert list(results.decided) == [target]
    assert [path.name for path in results.files if path.suffix == ".jpg"] == [f"{target}-1.jpg"]


def test_prompts_alone_decide_nothing(
    predict: Predict, archive: Path, two: Path, tmp_path: Path
) -> None:
    results = predict(archive, pack=two, facts={"place": "elsewhere"})
    assert _decisions(tmp_path / "out") == {""}
    assert not results.decided


def test_a_crop_is_answered_by_the_pack_that_its_frame_chose(
    pack: Path, encoder: TinyEncoder, backbone: Backbone, tmp_path: Path
) -> None:
    views = np.random.default_rng(1).integers(0, 256, (2, SIZE, SIZE, 3), np.uint8)
    keys = backbone.embed_images(views)[1].numpy()
    keys /= np.linalg.norm(keys, axis=1, keepdims=True)
    sources = []
    for name, key in zip(("frames", "crops"), keys, strict=True):
        folder = Path(shutil.copytree(pack, tmp_path / name))
        row = load_file(folder / "router.safetensors")
        save_file(row | {"router_keys": key[None]}, folder / "router.safetensors")
        _edit(folder, task=name)
        sources.append(folder)
    combine(sources, tmp_path / "set", {})
    asked = Asked(tmp_path / "set", backbone=str(encoder.config), pretrained=str(encoder.weights))
    answerer = open_answerer(asked)
    facts: list[dict[str, str]] = [{}, {}]
    alone = [each.pack for each in answerer.answer(Views(views, facts))]
    assert alone == ["frames", "crops"]
    together = [each.pack for each in answerer.answer(Views(views, facts, [0, 0]))]
    assert together == ["frames", "frames"]


@pytest.mark.parametrize("facts", [{"place": "hill"}, {}])
def test_each_image_passes_the_encoder_of_a_set_once(
    archive: Path, two: Path, encoder: TinyEncoder, facts: dict[str, str]
) -> None:
    asked = Asked(two, backbone=str(encoder.config), pretrained=str(encoder.weights))
    work = PredictRequest(str(archive), asked, facts=facts).work()
    seen: list[int] = []

    def count(module: Module, inputs: tuple[Tensor, ...], _: object) -> None:
        if isinstance(module, Conv2d) and module.in_channels == 3:  # what patches are made by
            seen.append(len(inputs[0]))

    counting = register_module_forward_hook(count)
    try:
        records = work.do(list(work.store.images()), lambda _: None)
    finally:
        counting.remove()
    assert sum(seen) == len([each for each in records if each.failure is None]) == 11


def test_megadetectors_json_says_one_threshold_only_where_one_decides(
    predict: Predict, archive: Path, two: Path, pack: Path, tmp_path: Path
) -> None:
    on = read_pack_manifest(pack).thresholds["leopard"].on
    predict(archive, pack=two, formats=["md-json"], folder=tmp_path / "two")
    assert _classifier(tmp_path / "two") == {
        "edgeclip_thresholds": {"hill": {"leopard": on}, "lake": {"blank": 0.0}}
    }
    predict(archive, pack=pack, formats=["md-json"], folder=tmp_path / "one")
    assert _classifier(tmp_path / "one") == {
        "typical_classification_threshold": on,
        "edgeclip_thresholds": {"leopard": {"leopard": on}},
    }


def _classifier(out: Path) -> object:
    document = json.loads((out / "megadetector.json").read_text())
    assert not broken_rules(document)
    return document["info"]["classifier_metadata"]


def test_a_list_of_packs_that_cannot_be_read_is_named(
    predict: Predict, archive: Path, two: Path
) -> None:
    (two / SET_FILE).unlink()
    (two / SET_FILE).symlink_to("/proc/self/mem")  # opens, and cannot be read
    with pytest.raises(PackError, match=r"router\.json cannot be read \(.*\): copy it again"):
        predict(archive, pack=two)
    with pytest.raises(PackError, match=r"router\.json cannot be read \(.*\): copy the set again"):
        read_set(two)


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b"[" * 100_000])
def test_a_list_of_packs_that_is_none_is_named(
    predict: Predict, archive: Path, two: Path, content: bytes
) -> None:
    (two / SET_FILE).write_bytes(content)
    with pytest.raises(PackError, match=r"router\.json: "):
        predict(archive, pack=two)
