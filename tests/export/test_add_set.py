"""Sets of packs with a learned gate, exported and put into bundles."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from edgeclip.clip import Backbone
from edgeclip.combining import combine
from edgeclip.contract.bundle import MANIFEST_FILE, SIGNATURE_FILE, read_bundle
from edgeclip.contract.gate import GATE_FILE, GATE_TENSORS_FILE, read_gate
from edgeclip.contract.hashing import sha256_file
from edgeclip.contract.signing import make_key
from edgeclip.contract.static_facts import FRAME_KEYS
from edgeclip.errors import BundleMismatchError, ConfigError
from edgeclip.routed_packs import load_routed
from edgeclip.tensor_file import read_tensors
from edgeclip_device.backends.choosing import open_backend
from edgeclip_device.classifier import Classifier
from edgeclip_device.config import InferenceSettings
from edgeclip_device.pack_router import load_router
from edgeclip_device.router_settings import RoutedPackSettings, RouterSettings
from edgeclip_export.add_pack import add_pack
from edgeclip_export.add_set import SetSource, add_set
from edgeclip_export.bundle_writer import write_bundle
from edgeclip_export.config import BundleConfig
from edgeclip_export.sign import sign_bundle
from edgeclip_export.verify import verify_bundle
from support.export_commands import Run
from support.routed_bundles import ignored, pack_with_row
from support.tiny_packs import TinyEncoder


def _pack(folder: Path, backbone: Backbone, task: str, seed: int, version: str = "1.0.0") -> Path:
    keys = np.random.default_rng(seed).normal(size=(4, backbone.base.embed_dim))
    row = {
        "router_keys": (keys / np.linalg.norm(keys, axis=1, keepdims=True)).astype(np.float32),
        "router_scale": np.array([5.0], np.float32),
        "router_threshold": np.array([1.5], np.float32),
    }
    return pack_with_row(folder, backbone, task, row, seed=seed, version=version)


@pytest.fixture(scope="module")
def packs(tmp_path_factory: pytest.TempPathFactory, backbone: Backbone) -> list[Path]:
    root = tmp_path_factory.mktemp("routed")
    return [_pack(root / task, backbone, task, seed) for seed, task in enumerate("abc", 1)]


@pytest.fixture(scope="module")
def whole(
    tmp_path_factory: pytest.TempPathFactory, packs: list[Path], encoder: TinyEncoder
) -> Path:
    """A bundle of a set of two packs with a gate that mixes both."""
    root = tmp_path_factory.mktemp("whole")
    combine(packs[:2], root / "set", {"b": {}}, k=2)
    named = str(encoder.config), str(encoder.weights)
    write_bundle(BundleConfig(root / "set", root / "bundle", *named), ignored)
    return root / "bundle"


@pytest.fixture
def routed(whole: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(whole, tmp_path / "bundle"))


def test_a_set_becomes_a_bundle_with_all_its_packs_and_its_gate(
    whole: Path, packs: list[Path]
) -> None:
    manifest = read_bundle(whole)
    assert [ref.task for ref in manifest.packs] == ["a", "b"]
    for ref, pack in zip(manifest.packs, packs, strict=False):
        assert sha256_file(whole / ref.path / "pack.json") == sha256_file(pack / "pack.json")
    assert manifest.gate is not None
    held = whole.parent / "set"
    for file in (GATE_FILE, GATE_TENSORS_FILE):
        assert sha256_file(whole / manifest.gate / file) == sha256_file(held / file)
        assert f"{manifest.gate}/{file}" in manifest.files
    verify_bundle(whole, ignored)


def test_parity_the_gate_of_a_bundle_computes_what_that_of_the_set_does(
    whole: Path, backbone: Backbone
) -> None:
    routed, manifest = load_routed(whole.parent / "set"), read_bundle(whole)
    base = manifest.base
    stored = read_gate(
        whole / str(manifest.gate), read_tensors,
        base_sha256=base.weights_sha256, embed_dim=base.embed_dim,
    )  # fmt: skip
    hashes = [manifest.files[f"{ref.path}/pack.json"].sha256 for ref in manifest.packs]
    drawn = np.random.default_rng(0).normal(size=(9, backbone.base.embed_dim)).astype(np.float32)
    gate = stored.for_packs(routed.rows, hashes, "bundle")
    assert routed.gate is not None
    np.testing.assert_array_equal(gate.scores(drawn), routed.gate.scores(drawn))


def test_parity_a_device_answers_as_the_set_does(whole: Path) -> None:
    inference = InferenceSettings(bundle=whole, backend="onnxruntime", threads=1)
    tasks = RouterSettings.model_validate({"packs": [{"task": "a"}, {"task": "b"}]})
    router, routed = load_router(inference, tasks), load_routed(whole.parent / "set")
    assert router.gate is not None
    classifier = Classifier(open_backend(router.packs[router.resident], inference), router)
    frames = np.random.default_rng(1).integers(0, 256, (6, 40, 50, 3), np.uint8)
    shares = []
    for frame in frames:
        (answer,) = classifier.classify(frame, None)
        expected = routed.answer(answer.scene_features[None], [{}])
        if expected.chosen[0] is None:
            assert answer.task == "a"  # a device has a fallback in place of the prompts
            continue
        shares.append(expected.shares[0])
        assert answer.task == expected.chosen[0]
        np.testing.assert_allclose(answer.probabilities, expected.probabilities[0], atol=2e-5)
    assert any(len(own) == 2 for own in shares)


def test_inspect_tells_of_a_gate_and_what_the_device_is_told(run: Run, whole: Path) -> None:
    assert json.loads(run("inspect", whole, "--json").out)["gate"] == {"packs": ["a", "b"], "k": 2}
    assert "learned between a, b; 2 a frame answer" in run("inspect", whole).out


def test_a_set_comes_into_a_bundle_and_its_gate_in_place_of_the_older_one(
    run: Run, routed: Path, packs: list[Path], tmp_path: Path
) -> None:
    before = read_bundle(routed)
    combine(packs, tmp_path / "more", {"c": {"light": "infrared"}, "b": {}}, k=1)
    said = run("add-pack", routed, tmp_path / "more")
    assert said.code == 0, said.err
    assert "added c 1.0.0, its learned gate to" in said.out
    assert 'packs = [{task = "a"}, {task = "b"}, {task = "c"}]' in said.out
    after = read_bundle(routed)
    assert [ref.task for ref in after.packs] == ["a", "b", "c"]
    assert after.gate != before.gate
    assert [path.name for path in (routed / "gate").iterdir()] == [Path(str(after.gate)).name]
    again = run("add-pack", routed, tmp_path / "more")
    assert (again.code, "has the packs of" in again.err) == (2, True)


def test_a_pack_that_the_gate_does_not_know_is_not_added(routed: Path, packs: list[Path]) -> None:
    manifest = (routed / MANIFEST_FILE).read_bytes()
    with pytest.raises(BundleMismatchError, match=r"has no row for c 1\.0\.0: put a set together"):
        add_pack(routed, packs[2], ignored)
    assert (routed / MANIFEST_FILE).read_bytes() == manifest


def test_a_gate_that_does_not_know_a_pack_of_the_bundle_is_not_added(
    routed: Path, packs: list[Path], tmp_path: Path
) -> None:
    combine(packs[1:], tmp_path / "others", {}, k=1)
    with pytest.raises(BundleMismatchError, match=r"the set has no row for a 1\.0\.0, which"):
        add_set(routed, tmp_path / "others", ignored)


@pytest.fixture(scope="module")
def static_first(
    tmp_path_factory: pytest.TempPathFactory, packs: list[Path], encoder: TinyEncoder
) -> Path:
    """A bundle of a set whose first pack has static keys, and so no row in the gate."""
    root = tmp_path_factory.mktemp("static")
    combine(packs, root / "set", {"a": {"light": "infrared"}}, k=1)
    named = str(encoder.config), str(encoder.weights)
    write_bundle(BundleConfig(root / "set", root / "bundle", *named), ignored)
    return root / "bundle"


def test_what_device_toml_says_is_tasks_alone_and_what_no_device_knows(
    packs: list[Path], tmp_path: Path
) -> None:
    combine(packs, tmp_path / "set", {"a": {"light": "infrared"}, "b": {"location": "ridge"}})
    assert SetSource.load(tmp_path / "set").router_lines() == [
        'in device.toml: [router] packs = [{task = "a"}, {task = "b"}, {task = "c"}]',
        "a device does not know location of a frame: give b camera, deployment or light there",
    ]
    assert set(FRAME_KEYS) == RoutedPackSettings.model_fields.keys() - {"task"}


def test_a_set_whose_first_pack_has_static_keys_is_exported_with_its_gate(
    run: Run, static_first: Path
) -> None:
    assert [ref.task for ref in read_bundle(static_first).packs] == ["a", "b", "c"]
    gate = json.loads(run("inspect", static_first, "--json").out)["gate"]
    assert gate["packs"] == ["b", "c"]


def test_the_next_version_of_a_pack_comes_in_beside_one_with_static_keys(
    static_first: Path, packs: list[Path], backbone: Backbone, tmp_path: Path
) -> None:
    routed = Path(shutil.copytree(static_first, tmp_path / "bundle"))
    newer = _pack(tmp_path / "newer", backbone, "b", 7, "1.1.0")
    combine([newer, packs[2], packs[0]], tmp_path / "set", {"a": {"light": "infrared"}}, k=1)
    added = add_set(routed, tmp_path / "set", ignored)
    assert [(own.reference.task, own.replaces) for own in added.packs] == [("b", "1.0.0")]
    assert read_bundle(routed).gate == added.gate


def test_a_set_without_a_gate_goes_into_a_bundle_without_one(
    bundle: Path, packs: list[Path], tmp_path: Path
) -> None:
    combine(packs[:2], tmp_path / "set", {})
    added = add_set(bundle, tmp_path / "set", ignored)
    assert [own.reference.task for own in added.packs] == ["a", "b"]
    assert "gate" not in json.loads((bundle / MANIFEST_FILE).read_text())


def test_a_signature_ends_with_what_it_was_of(
    routed: Path, packs: list[Path], tmp_path: Path
) -> None:
    make_key(tmp_path / "key")
    sign_bundle(routed, tmp_path / "key")
    combine(packs, tmp_path / "more", {}, k=1)
    assert add_set(routed, tmp_path / "more", ignored).was_signed
    assert not (routed / SIGNATURE_FILE).exists()


def test_a_set_is_not_baked_and_tasks_are_told_apart(
    packs: list[Path], encoder: TinyEncoder, run: Run, bundle: Path, tmp_path: Path
) -> None:
    combine(packs[:2], tmp_path / "set", {})
    given = ("--out", tmp_path / "b", "--backbone", encoder.config, "--pretrained", encoder.weights)
    ended = run("bundle", "--pack", tmp_path / "set", "--bake", *given)
    assert (ended.code, "is a set, and --bake makes graphs of one pack" in ended.err) == (2, True)
    combine([("ridge", packs[0]), ("hill", packs[0])], tmp_path / "twice", {})
    with pytest.raises(ConfigError, match="has two packs of a, and a device knows packs by"):
        add_set(bundle, tmp_path / "twice", ignored)
