"""`edgeclip predict` with a bundle of several packs: each answers for its images, as a device."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from edgeclip.archive.answering import Asked, Views, open_answerer
from edgeclip.archive.predicting import Output, predict_archive
from edgeclip.archive.request import PredictRequest
from edgeclip.clip import Backbone
from edgeclip.combining import combine
from edgeclip.contract.bundle import MANIFEST_FILE, read_bundle
from edgeclip.contract.pack import ROUTER_FILE
from edgeclip.errors import BackendError, ConfigError, PackError
from edgeclip.progress import Bars
from edgeclip_export.add_pack import add_pack
from edgeclip_export.add_set import add_set
from support.altered_bundles import change_json, hash_again
from support.drawn_images import draw, save
from support.routed_bundles import (
    HILL,
    NIGHT,
    TASKS,
    as_on_a_device,
    asked_of,
    ignored,
    random_views,
    routed_pack,
)
from support.tiny_packs import TinyEncoder


def _in_torch(held: Path, encoder: TinyEncoder) -> Asked:
    return Asked(held, backbone=str(encoder.config), pretrained=str(encoder.weights))


def test_a_bundle_remembers_the_static_keys_of_its_set(several: Path) -> None:
    refs = read_bundle(several / "bundle").packs
    assert [(ref.task, ref.static) for ref in refs] == [("day", {}), ("hill", {}), ("night", NIGHT)]
    written = json.loads((several / "bundle" / MANIFEST_FILE).read_text())["packs"]
    assert ["static" in ref for ref in written] == [False, False, True]


@pytest.mark.parametrize("k", [None, 1, 2])
def test_a_bundle_answers_as_its_set_does_in_torch(
    several: Path, several_packs: list[Path], encoder: TinyEncoder, tmp_path: Path, k: int | None
) -> None:
    held, bundle = several / "set", several / "bundle"
    if k is not None:
        held, bundle = tmp_path / "set", Path(shutil.copytree(bundle, tmp_path / "bundle"))
        combine(several_packs, held, {"night": NIGHT}, k=k)
        add_set(bundle, held, ignored)
    views = random_views(12, 7)
    facts: list[Mapping[str, str]] = [NIGHT if row % 3 == 0 else {} for row in range(12)]
    asking = Views(views, facts, [0, 1, 1, *range(3, 12)])
    ours = open_answerer(asked_of(bundle)).answer(asking)
    theirs = open_answerer(_in_torch(held, encoder)).answer(asking)
    assert [one.pack for one in ours] == [other.pack for other in theirs]
    assert {one.pack for one in ours} == set(TASKS)
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one.probabilities, other.probabilities, atol=2e-4)
        assert one.distance == pytest.approx(other.distance, abs=1e-3)
        assert one.cells is not None
        assert other.cells is not None
        np.testing.assert_allclose(one.cells, other.cells, atol=2e-3)  # stored in half


def test_parity_a_bundle_answers_as_a_device_with_it_does(several: Path) -> None:
    routed = [{"task": task} for task in TASKS]  # the bundle says the keys
    classifier = as_on_a_device(several / "bundle", routed)
    views = random_views(9, 3)
    facts: list[Mapping[str, str]] = [NIGHT if row % 3 == 0 else {} for row in range(9)]
    ours = open_answerer(asked_of(several / "bundle")).answer(Views(views, facts))
    for view, known, answer in zip(views, facts, ours, strict=True):
        (said,) = classifier.classify(view, None, known)
        assert said.task == answer.pack
        np.testing.assert_allclose(said.probabilities, answer.probabilities, atol=2e-5)


def test_where_no_pack_is_for_an_image_the_first_answers_as_on_a_device(
    routed: Path,
) -> None:
    for task in ("day", "hill"):
        _with_row(routed, task, threshold=0.0)
    views = random_views(2)
    answers = open_answerer(asked_of(routed)).answer(Views(views, [{}, NIGHT]))
    assert [each.pack for each in answers] == ["day", "night"]
    classifier = as_on_a_device(routed, [{"task": "day"}, {"task": "hill"}])
    assert classifier.classify(views[0], None)[0].task == "day"


def _with_row(routed: Path, task: str, *, threshold: float) -> None:
    """Change how near an image must be to a pack of a bundle."""
    own = f"packs/{task}/1.0.0"
    path = routed / own / ROUTER_FILE
    save_file(load_file(path) | {"router_threshold": np.array([threshold], np.float32)}, path)
    hash_again(routed, own)


class _CountedSession:
    """A real session of ONNX Runtime that counts the images that it runs."""

    images = 0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._session = _SESSION(*args, **kwargs)

    def run(self, wanted: Any, feeds: Mapping[str, NDArray[np.float32]]) -> Any:
        """Count, and run."""
        type(self).images += len(feeds["images"])
        return self._session.run(wanted, feeds)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)


_SESSION = onnxruntime.InferenceSession


def test_each_image_passes_the_encoder_once_whoever_answers(
    several: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnxruntime, "InferenceSession", _CountedSession)
    answerer = open_answerer(asked_of(several / "bundle"))
    _CountedSession.images = 0  # golden frames were computed
    answers = answerer.answer(Views(random_views(12, 7), [{}] * 6 + [NIGHT] * 6))
    assert {each.pack for each in answers} == set(TASKS)
    assert _CountedSession.images == 12


def test_light_of_each_image_chooses_unless_a_fact_says_otherwise(
    several: Path, encoder: TinyEncoder, tmp_path: Path
) -> None:
    for number in range(3):
        save(tmp_path / "archive" / f"{number}.png", draw("leopard", number))
        grey = np.repeat(draw("leopard", number)[..., :1], 3, axis=2)
        save(tmp_path / "archive" / f"grey{number}.png", grey)
    for asked in (asked_of(several / "bundle"), _in_torch(several / "set", encoder)):
        by_light = _packs_of(tmp_path, asked, {})
        assert all((said == "night") == name.startswith("grey") for name, said in by_light.items())
        assert "night" not in _packs_of(tmp_path, asked, {"light": "day"}).values()
        assert set(_packs_of(tmp_path, asked, NIGHT).values()) == {"night"}


def _packs_of(folder: Path, asked: Asked, facts: dict[str, str]) -> dict[str, str]:
    request = PredictRequest(str(folder / "archive"), asked, facts=facts)
    output = Output(folder / "out", ["csv"], overwrite=True)
    predict_archive(request, output, Bars(quiet=True))
    with (folder / "out" / "predictions.csv").open(newline="") as file:
        return {row["file"]: row["pack"] for row in csv.DictReader(file)}


def test_what_packs_together_do_not_tell_is_said(routed: Path, tmp_path: Path) -> None:
    manifest = json.loads((routed / MANIFEST_FILE).read_text())
    columns = json.loads((routed / HILL / "pack.json").read_text())["column_class"]
    manifest["profiles"]["K"]["max"] = 2 * len(columns)
    (routed / MANIFEST_FILE).write_text(json.dumps(manifest))
    save(tmp_path / "archive" / "1.png", draw("leopard", 1))
    request = PredictRequest(str(tmp_path / "archive"), asked_of(routed))
    notes = predict_archive(request, Output(tmp_path / "out", ["csv"]), Bars(quiet=True)).notes
    assert [note for note in notes if note.startswith("no boxes by heat of night: ")]


def test_a_task_still_picks_one_and_takes_no_facts(routed: Path, tmp_path: Path) -> None:
    assert open_answerer(asked_of(routed, "hill")).name.startswith("hill@1.0.0 ")
    save(tmp_path / "archive" / "1.png", draw("leopard", 1))
    request = PredictRequest(str(tmp_path / "archive"), asked_of(routed, "hill"), facts=NIGHT)
    with pytest.raises(ConfigError, match="--fact chooses between packs, and one answers"):
        predict_archive(request, Output(tmp_path / "out", ["csv"]), Bars(quiet=True))


def test_packs_that_see_other_parts_of_a_frame_are_refused_with_a_way_out(
    routed: Path,
) -> None:
    change_json(routed / HILL / "pack.json", strip_top_px=20)
    hash_again(routed, HILL)
    with pytest.raises(
        ConfigError,
        match=r"bundle: choose one pack with --task, as --task day: hill .* 20 rows at the top",
    ):
        open_answerer(asked_of(routed))


def test_a_row_that_is_none_is_named(routed: Path) -> None:
    (routed / HILL / ROUTER_FILE).write_bytes(b"no tensors")
    hash_again(routed, HILL)
    with pytest.raises(PackError, match=r"hill/1\.0\.0/router\.safetensors holds no router row"):
        open_answerer(asked_of(routed))


def test_a_runtime_that_computes_otherwise_for_one_pack_is_refused(routed: Path) -> None:
    path = routed / HILL / "golden.npz"
    with np.load(path) as arrays:
        golden = dict(arrays)
    golden["probabilities"] = golden["probabilities"][:, ::-1]
    np.savez(path, allow_pickle=False, **golden)
    hash_again(routed, HILL)
    with pytest.raises(BackendError, match="does not compute what the exporter did"):
        open_answerer(asked_of(routed))


def test_other_keys_of_a_set_come_into_a_bundle_that_has_its_packs(
    routed: Path, several_packs: list[Path], tmp_path: Path
) -> None:
    combine(several_packs, tmp_path / "set", {"hill": {"deployment": "ridge"}})
    assert not add_set(routed, tmp_path / "set", ignored).packs
    static = {ref.task: ref.static for ref in read_bundle(routed).packs}
    assert static == {"day": {}, "hill": {"deployment": "ridge"}, "night": {}}
    with pytest.raises(ConfigError, match=r"has the packs of .* already, keys and gate too"):
        add_set(routed, tmp_path / "set", ignored)


def test_the_next_version_of_a_task_has_the_keys_of_the_one_before(
    routed: Path, backbone: Backbone, tmp_path: Path
) -> None:
    add_pack(routed, routed_pack(tmp_path / "newer", backbone, "night", 9, "1.1.0"), ignored)
    answerer = open_answerer(asked_of(routed))
    assert "night@1.1.0" in answerer.name
    assert [row.static for row in answerer.rows] == [{}, {}, NIGHT]


def test_keys_of_a_version_that_another_has_taken_the_place_of_are_refused(
    routed: Path, several_packs: list[Path], backbone: Backbone, tmp_path: Path
) -> None:
    add_pack(routed, routed_pack(tmp_path / "newer", backbone, "night", 9, "1.1.0"), ignored)
    combine(several_packs, tmp_path / "set", {"night": {"deployment": "ridge"}})
    before = (routed / MANIFEST_FILE).read_bytes()
    said = r"has night 1\.1\.0, which serves in place of the set's 1\.0\.0: put the set together"
    with pytest.raises(ConfigError, match=said):
        add_set(routed, tmp_path / "set", ignored)
    assert (routed / MANIFEST_FILE).read_bytes() == before
