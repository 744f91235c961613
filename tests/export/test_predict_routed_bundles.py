"""`edgeclip predict` with a bundle of several packs: each answers for its images, as a device."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
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
from edgeclip.archive.several_packs import SeveralPacks
from edgeclip.clip import Backbone
from edgeclip.combining import combine
from edgeclip.contract.attributes import ATTRIBUTES_FILE
from edgeclip.contract.bundle import MANIFEST_FILE, read_bundle
from edgeclip.contract.hashing import sha256_file
from edgeclip.contract.pack import PARTS_FILE, ROUTER_FILE, PackClass
from edgeclip.contract.prompt_columns import columns_sha256
from edgeclip.errors import BackendError, ConfigError, PackError
from edgeclip.pack_parts import parts_bytes
from edgeclip.packs import load_pack
from edgeclip.progress import Bars
from edgeclip.routed_packs import load_routed
from edgeclip_device.backends.choosing import open_backend
from edgeclip_device.classifier import Classifier
from edgeclip_device.config import InferenceSettings
from edgeclip_device.pack_router import load_router
from edgeclip_device.router_settings import RouterSettings
from edgeclip_export.add_pack import add_pack
from edgeclip_export.add_set import add_set
from edgeclip_export.bundle_writer import write_bundle
from edgeclip_export.checks import Check
from edgeclip_export.config import BundleConfig
from support.altered_bundles import change_json, hash_again
from support.drawn_images import draw, save
from support.export_commands import Run
from support.tiny_packs import SIZE, TinyEncoder, random_tensors, write_tiny_pack

NIGHT = {"light": "infrared"}
TASKS = ("day", "hill", "night")
HILL = "packs/hill/1.0.0"


def _ignore(check: Check) -> None:
    assert check.name


def _views(count: int, seed: int = 1) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, SIZE, SIZE, 3), np.uint8)


def _pack(folder: Path, backbone: Backbone, task: str, seed: int, version: str = "1.0.0") -> Path:
    """A pack for images such as the drawn ones; the prototypes of each are other ones of them."""
    tensors = random_tensors(seed, columns=3, names=("class_bias",))
    write_tiny_pack(folder, backbone, tensors, version=version)
    (folder / PARTS_FILE).write_bytes(parts_bytes(tensors, []))
    keys = backbone.embed_images(_views(4, seed))[1].numpy()
    row = {
        "router_keys": keys / np.linalg.norm(keys, axis=1, keepdims=True),
        "router_scale": np.array([50.0], np.float32),
        "router_threshold": np.array([1.0], np.float32),
        "router_left_out": np.array([0.1, 0.4], np.float32),
    }
    save_file(row, folder / ROUTER_FILE)
    document = json.loads((folder / "pack.json").read_text())
    document["task"] = task
    for file in (ROUTER_FILE, PARTS_FILE):
        document["files"][file] = sha256_file(folder / file)
    (folder / "pack.json").write_text(json.dumps(document))
    return folder


@pytest.fixture(scope="module")
def packs(tmp_path_factory: pytest.TempPathFactory, backbone: Backbone) -> list[Path]:
    root = tmp_path_factory.mktemp("several")
    return [_pack(root / task, backbone, task, seed) for seed, task in enumerate(TASKS, 1)]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, packs: list[Path], encoder: TinyEncoder) -> Path:
    """A folder with a set of three packs, one of them for infrared, and the bundle of it."""
    root = tmp_path_factory.mktemp("made")
    combine(packs, root / "set", {"night": NIGHT})
    named = str(encoder.config), str(encoder.weights)
    write_bundle(BundleConfig(root / "set", root / "bundle", *named), _ignore)
    return root


@pytest.fixture
def bundle(made: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copytree(made / "bundle", tmp_path / "bundle"))


def _asked(bundle: Path, task: str | None = None) -> Asked:
    return Asked(bundle, task, backend="onnxruntime")


def _in_torch(held: Path, encoder: TinyEncoder) -> Asked:
    return Asked(held, backbone=str(encoder.config), pretrained=str(encoder.weights))


def _as_on_a_device(bundle: Path, packs: list[dict[str, str]]) -> Classifier:
    inference = InferenceSettings(bundle=bundle, backend="onnxruntime", threads=1)
    router = load_router(inference, RouterSettings.model_validate({"packs": packs}))
    return Classifier(open_backend(router.packs[router.resident], inference), router)


def test_a_bundle_remembers_the_static_keys_of_its_set(made: Path) -> None:
    refs = read_bundle(made / "bundle").packs
    assert [(ref.task, ref.static) for ref in refs] == [("day", {}), ("hill", {}), ("night", NIGHT)]
    written = json.loads((made / "bundle" / MANIFEST_FILE).read_text())["packs"]
    assert ["static" in ref for ref in written] == [False, False, True]


@pytest.mark.parametrize("k", [None, 1, 2])
def test_a_bundle_answers_as_its_set_does_in_torch(
    made: Path, packs: list[Path], encoder: TinyEncoder, tmp_path: Path, k: int | None
) -> None:
    held, bundle = made / "set", made / "bundle"
    if k is not None:
        held, bundle = tmp_path / "set", Path(shutil.copytree(bundle, tmp_path / "bundle"))
        combine(packs, held, {"night": NIGHT}, k=k)
        add_set(bundle, held, _ignore)
    views = _views(12, 7)
    facts: list[Mapping[str, str]] = [NIGHT if row % 3 == 0 else {} for row in range(12)]
    asking = Views(views, facts, [0, 1, 1, *range(3, 12)])
    ours = open_answerer(_asked(bundle)).answer(asking)
    theirs = open_answerer(_in_torch(held, encoder)).answer(asking)
    assert [one.pack for one in ours] == [other.pack for other in theirs]
    assert {one.pack for one in ours} == set(TASKS)
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one.probabilities, other.probabilities, atol=2e-4)
        assert one.distance == pytest.approx(other.distance, abs=1e-3)
        assert one.cells is not None
        assert other.cells is not None
        np.testing.assert_allclose(one.cells, other.cells, atol=2e-3)  # stored in half


def test_parity_a_bundle_answers_as_a_device_with_it_does(made: Path) -> None:
    routed = [{"task": "day"}, {"task": "hill"}, {"task": "night", **NIGHT}]
    classifier = _as_on_a_device(made / "bundle", routed)
    views = _views(9, 3)
    facts: list[Mapping[str, str]] = [NIGHT if row % 3 == 0 else {} for row in range(9)]
    ours = open_answerer(_asked(made / "bundle")).answer(Views(views, facts))
    for view, known, answer in zip(views, facts, ours, strict=True):
        (said,) = classifier.classify(view, None, known)
        assert said.task == answer.pack
        np.testing.assert_allclose(said.probabilities, answer.probabilities, atol=2e-5)


def test_where_no_pack_is_for_an_image_the_first_answers_as_on_a_device(bundle: Path) -> None:
    for task in ("day", "hill"):
        _with_row(bundle, task, threshold=0.0)
    views = _views(2)
    answers = open_answerer(_asked(bundle)).answer(Views(views, [{}, NIGHT]))
    assert [each.pack for each in answers] == ["day", "night"]
    classifier = _as_on_a_device(bundle, [{"task": "day"}, {"task": "hill"}])
    assert classifier.classify(views[0], None)[0].task == "day"


def _with_row(bundle: Path, task: str, *, threshold: float) -> None:
    """Change how near an image must be to a pack of a bundle."""
    own = f"packs/{task}/1.0.0"
    path = bundle / own / ROUTER_FILE
    save_file(load_file(path) | {"router_threshold": np.array([threshold], np.float32)}, path)
    hash_again(bundle, own)


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
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnxruntime, "InferenceSession", _CountedSession)
    answerer = open_answerer(_asked(made / "bundle"))
    _CountedSession.images = 0  # golden frames were computed
    answers = answerer.answer(Views(_views(12, 7), [{}] * 6 + [NIGHT] * 6))
    assert {each.pack for each in answers} == set(TASKS)
    assert _CountedSession.images == 12


def test_light_of_each_image_chooses_unless_a_fact_says_otherwise(
    made: Path, encoder: TinyEncoder, tmp_path: Path
) -> None:
    for number in range(3):
        save(tmp_path / "archive" / f"{number}.png", draw("leopard", number))
        grey = np.repeat(draw("leopard", number)[..., :1], 3, axis=2)
        save(tmp_path / "archive" / f"grey{number}.png", grey)
    for asked in (_asked(made / "bundle"), _in_torch(made / "set", encoder)):
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


def test_what_packs_together_do_not_tell_is_said(bundle: Path, tmp_path: Path) -> None:
    manifest = json.loads((bundle / MANIFEST_FILE).read_text())
    columns = json.loads((bundle / HILL / "pack.json").read_text())["column_class"]
    manifest["profiles"]["K"]["max"] = 2 * len(columns)
    (bundle / MANIFEST_FILE).write_text(json.dumps(manifest))
    save(tmp_path / "archive" / "1.png", draw("leopard", 1))
    request = PredictRequest(str(tmp_path / "archive"), _asked(bundle))
    notes = predict_archive(request, Output(tmp_path / "out", ["csv"]), Bars(quiet=True)).notes
    assert [note for note in notes if note.startswith("no boxes by heat of night: ")]


def test_questions_in_words_that_are_not_answered_are_named(made: Path) -> None:
    routed = load_routed(made / "set")
    day = routed.packs["day"]
    assert SeveralPacks(routed, "here").unsaid == []
    files = day.manifest.files | {ATTRIBUTES_FILE: "0" * 64}
    asking = replace(day, manifest=day.manifest.model_copy(update={"files": files}))
    several = SeveralPacks(replace(routed, packs={**routed.packs, "day": asking}), "here")
    assert [line[:30] for line in several.unsaid] == ["what day asks in words is not "]


def test_a_task_still_picks_one_and_takes_no_facts(bundle: Path, tmp_path: Path) -> None:
    assert open_answerer(_asked(bundle, "hill")).name.startswith("hill@1.0.0 ")
    save(tmp_path / "archive" / "1.png", draw("leopard", 1))
    request = PredictRequest(str(tmp_path / "archive"), _asked(bundle, "hill"), facts=NIGHT)
    with pytest.raises(ConfigError, match="--fact chooses between packs, and one answers"):
        predict_archive(request, Output(tmp_path / "out", ["csv"]), Bars(quiet=True))


def test_packs_that_see_other_parts_of_a_frame_are_refused_with_a_way_out(bundle: Path) -> None:
    change_json(bundle / HILL / "pack.json", strip_top_px=20)
    hash_again(bundle, HILL)
    with pytest.raises(
        ConfigError,
        match=r"bundle: choose one pack with --task, as --task day: hill .* 20 rows at the top",
    ):
        open_answerer(_asked(bundle))


def test_a_pack_of_other_classes_is_added_with_word_that_predict_needs_a_task(
    bundle: Path, run: Run, backbone: Backbone, tmp_path: Path
) -> None:
    pack = _pack(tmp_path / "pack", backbone, "hill", 5, version="1.1.0")
    document = json.loads((pack / "pack.json").read_text())
    document["classes"][0]["prompts"][0] = "a photo of something else."
    classes = [PackClass.model_validate(own) for own in document["classes"]]
    edited = load_pack(bundle / HILL).manifest.model_copy(update={"classes": classes})
    assert edited.prompt_columns is not None
    document["prompts_sha256"] = columns_sha256(edited.prompt_columns)
    (pack / "pack.json").write_text(json.dumps(document))
    said = run("add-pack", bundle, pack)
    assert said.last_line.startswith(f"`edgeclip predict --pack {bundle}` now needs --task, as")
    assert "--task hill: hill (1.1.0) knows " in said.last_line
    assert said.last_line.endswith("a device still lets each answer for its images, by [router]."
                                   "packs")  # fmt: skip
    assert _as_on_a_device(bundle, [{"task": "day"}, {"task": "hill"}])
    with pytest.raises(ConfigError, match="choose one pack with --task, as --task day: hill"):
        open_answerer(_asked(bundle))
    assert open_answerer(_asked(bundle, "hill")).name.startswith("hill@1.1.0 ")


def test_packs_that_go_together_need_no_task_and_nothing_is_said(
    bundle: Path, run: Run, backbone: Backbone, tmp_path: Path
) -> None:
    pack = _pack(tmp_path / "pack", backbone, "hill", 5, version="1.1.0")
    assert "--task" not in run("add-pack", bundle, pack).out


def test_a_pack_that_says_of_no_images_that_they_are_its_own_needs_a_task(
    bundle: Path, run: Run, backbone: Backbone, tmp_path: Path
) -> None:
    tensors = random_tensors(6, columns=3, names=("class_bias",))
    write_tiny_pack(tmp_path / "pack", backbone, tensors)
    facts = json.loads(run("add-pack", bundle, tmp_path / "pack", "--json").out)
    assert facts["predict_needs_task"] == "nothing says which images are for leopard"


def test_a_row_that_is_none_is_named(bundle: Path) -> None:
    (bundle / HILL / ROUTER_FILE).write_bytes(b"no tensors")
    hash_again(bundle, HILL)
    with pytest.raises(PackError, match=r"hill/1\.0\.0/router\.safetensors holds no router row"):
        open_answerer(_asked(bundle))


def test_a_runtime_that_computes_otherwise_for_one_pack_is_refused(bundle: Path) -> None:
    path = bundle / HILL / "golden.npz"
    with np.load(path) as arrays:
        golden = dict(arrays)
    golden["probabilities"] = golden["probabilities"][:, ::-1]
    np.savez(path, allow_pickle=False, **golden)
    hash_again(bundle, HILL)
    with pytest.raises(BackendError, match="does not compute what the exporter did"):
        open_answerer(_asked(bundle))


def test_other_keys_of_a_set_come_into_a_bundle_that_has_its_packs(
    bundle: Path, packs: list[Path], tmp_path: Path
) -> None:
    combine(packs, tmp_path / "set", {"hill": {"deployment": "ridge"}})
    assert not add_set(bundle, tmp_path / "set", _ignore).packs
    static = {ref.task: ref.static for ref in read_bundle(bundle).packs}
    assert static == {"day": {}, "hill": {"deployment": "ridge"}, "night": {}}
    with pytest.raises(ConfigError, match=r"has the packs of .* already, keys and gate too"):
        add_set(bundle, tmp_path / "set", _ignore)


def test_the_next_version_of_a_task_has_the_keys_of_the_one_before(
    bundle: Path, backbone: Backbone, tmp_path: Path
) -> None:
    add_pack(bundle, _pack(tmp_path / "newer", backbone, "night", 9, "1.1.0"), _ignore)
    answerer = open_answerer(_asked(bundle))
    assert "night@1.1.0" in answerer.name
    assert [row.static for row in answerer.rows] == [{}, {}, NIGHT]
