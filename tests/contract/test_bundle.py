from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edgeclip.contract.bundle import (
    BundleManifest,
    FileRecord,
    Graph,
    Profile,
    Tolerance,
    find_pack,
    read_bundle,
    read_bundled_pack,
)
from edgeclip.contract.hashing import sha256_bytes
from edgeclip.contract.pack_ref import PackRef
from edgeclip.errors import BundleDamagedError, BundleMismatchError, BundleMissingError
from support.samples import AT, base, pack_manifest, preprocess_spec

PACK_PATH = "packs/leopard/1.0.0"


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A bundle of one graph and one pack, all files hashed."""
    content = {"adapter.safetensors": b"tensors", "golden.npz": b"golden"}
    hashes = {name: sha256_bytes(data) for name, data in content.items()}
    pack = pack_manifest().model_copy(update={"files": hashes})
    files = {f"{PACK_PATH}/{name}": data for name, data in content.items()}
    files |= {f"{PACK_PATH}/pack.json": pack.to_json().encode(), "model.onnx": b"graph"}
    for name, data in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    (tmp_path / "manifest.json").write_text(_manifest(files).to_json())
    return tmp_path


def _manifest(files: dict[str, bytes]) -> BundleManifest:
    return BundleManifest(
        created_at=AT,
        tool={"edgeclip": "0.1.0"},
        base=base(),
        preprocess=preprocess_spec(),
        graphs=[
            Graph(
                file="model.onnx",
                rung="fp32",
                runtime="onnxruntime",
                opset=18,
                nodes=1,
                inputs=["images", "class_weights"],
                outputs=["logits"],
            )
        ],
        profiles={"B": Profile(min=1, opt=1, max=4)},
        packs=[PackRef(task="leopard", version="1.0.0", path=PACK_PATH)],
        tolerance=Tolerance(one_minus_cosine=1e-3, mean_one_minus_cosine=2e-4, probability=0.02),
        parity={},
        files={
            name: FileRecord(sha256=sha256_bytes(data), size_bytes=len(data))
            for name, data in files.items()
        },
    )


def _change(bundle: Path, **fields: Any) -> None:
    path = bundle / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def test_a_whole_bundle_and_its_pack_are_read(bundle: Path) -> None:
    manifest = read_bundle(bundle)
    assert read_bundled_pack(bundle, manifest, None).task == "leopard"
    assert manifest.graph_for("onnxruntime").file == "model.onnx"


def test_a_folder_without_a_manifest_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(BundleMissingError, match="make one with `edgeclip-export bundle`"):
        read_bundle(tmp_path)


def test_a_file_altered_without_a_change_of_size_is_found_by_its_hash(bundle: Path) -> None:
    (bundle / "model.onnx").write_bytes(b"grapf")
    read_bundle(bundle, check_hashes=False)
    with pytest.raises(BundleDamagedError, match=r"model.onnx was altered"):
        read_bundle(bundle)


def test_a_file_cut_short_is_found_without_hashing(bundle: Path) -> None:
    (bundle / "model.onnx").write_bytes(b"gra")
    with pytest.raises(BundleDamagedError, match="cut short"):
        read_bundle(bundle, check_hashes=False)


def test_a_missing_file_is_named(bundle: Path) -> None:
    (bundle / "model.onnx").unlink()
    with pytest.raises(BundleDamagedError, match=r"model.onnx is missing"):
        read_bundle(bundle)


def test_a_runtime_without_a_graph_is_a_mismatch(bundle: Path) -> None:
    with pytest.raises(BundleMismatchError, match="no graph for tensorrt"):
        read_bundle(bundle).graph_for("tensorrt")


def test_an_unknown_task_lists_those_that_are_there(bundle: Path) -> None:
    with pytest.raises(BundleMismatchError, match="no pack for task 'tiger': it has leopard"):
        find_pack(read_bundle(bundle), "tiger")


def test_a_pack_of_another_encoder_is_refused(bundle: Path) -> None:
    manifest = read_bundle(bundle)
    other = manifest.base.model_copy(update={"weights_sha256": "b" * 64})
    with pytest.raises(BundleMismatchError, match="another encoder"):
        read_bundled_pack(bundle, manifest.model_copy(update={"base": other}), None)


@pytest.mark.parametrize("fields", [{"version": "1.2.0"}, {"task": "ocelot"}])
def test_a_pack_that_is_another_than_the_manifest_says_is_refused(
    bundle: Path, fields: dict[str, str]
) -> None:
    manifest = read_bundle(bundle)
    path = bundle / PACK_PATH / "pack.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))
    told = {"task": "leopard", "version": "1.0.0"} | fields
    words = rf"pack\.json is {told['task']} {told['version']}, manifest\.json says leopard 1\.0\.0"
    with pytest.raises(BundleMismatchError, match=words):
        read_bundled_pack(bundle, manifest, None)


def test_a_requirement_that_nobody_can_check_is_refused(bundle: Path) -> None:
    _change(bundle, requires={"onnxruntime": "1.18 or so"})
    with pytest.raises(BundleDamagedError, match="requires"):
        read_bundle(bundle)


def test_another_preprocessing_version_is_a_mismatch(bundle: Path) -> None:
    _change(bundle, preprocess=preprocess_spec().model_dump() | {"version": 1})
    with pytest.raises(BundleMismatchError, match="preprocessing version 1"):
        read_bundle(bundle)


@pytest.mark.parametrize(
    ("schema", "remedy"),
    [
        ("edgeclip.bundle/1", "export the bundle again"),
        ("edgeclip.bundle/3", "update edgeclip on this machine"),
    ],
    ids=["older", "newer"],
)
def test_another_format_is_refused_by_its_name_and_not_by_its_fields(
    bundle: Path, schema: str, remedy: str
) -> None:
    _change(bundle, schema=schema, what_this_software_does_not_know=1)
    with pytest.raises(BundleMismatchError, match=f"format is {schema}, .*: {remedy}$"):
        read_bundle(bundle)


def test_a_manifest_that_is_nested_too_deeply_is_refused(bundle: Path) -> None:
    (bundle / "manifest.json").write_text("[" * 200_000)
    with pytest.raises(BundleDamagedError, match=r"manifest\.json"):
        read_bundle(bundle)


def test_the_file_of_a_graphs_weights_must_be_hashed_and_lie_beside_it(bundle: Path) -> None:
    graphs = json.loads((bundle / "manifest.json").read_text())["graphs"]
    _change(bundle, graphs=[graphs[0] | {"weights": "weights.bin"}])
    with pytest.raises(BundleDamagedError, match=r"files lacks weights\.bin"):
        read_bundle(bundle)
    _change(bundle, graphs=[graphs[0] | {"weights": f"{PACK_PATH}/golden.npz"}])
    with pytest.raises(BundleDamagedError, match=r"not in the folder of model\.onnx"):
        read_bundle(bundle)


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "packs/../../x", "a\\b", ""], ids=repr)
def test_a_path_that_leaves_the_bundle_is_refused(bundle: Path, path: str) -> None:
    _change(bundle, files={path: {"sha256": "a" * 64, "size_bytes": 1}})
    with pytest.raises(BundleDamagedError, match="leaves the bundle"):
        read_bundle(bundle)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"schema": "edgeclip.pack/1"}, "schema"),
        ({"packs": []}, "packs"),
        ({"grafs": 1}, "graphs"),
    ],
    ids=["another artefact", "no packs", "misspelt key"],
)
def test_a_manifest_that_cannot_be_right_is_refused(
    bundle: Path, fields: dict[str, Any], message: str
) -> None:
    _change(bundle, **fields)
    with pytest.raises(BundleDamagedError, match=message):
        read_bundle(bundle)


@pytest.mark.parametrize("used", ["model.onnx", f"{PACK_PATH}/pack.json"])
def test_a_graph_or_pack_whose_hash_is_not_recorded_is_refused(used: str, bundle: Path) -> None:
    files = json.loads((bundle / "manifest.json").read_text())["files"]
    _change(bundle, files={name: record for name, record in files.items() if name != used})
    with pytest.raises(BundleDamagedError, match=f"files lacks {used}"):
        read_bundle(bundle)
