from __future__ import annotations

import shutil
from pathlib import Path

import onnx
import pytest

from edgeclip import clip
from edgeclip.clip import Backbone
from edgeclip.contract.bundle import BundleManifest, read_bundle, read_bundled_pack
from edgeclip.contract.pack import read_pack_manifest
from edgeclip.errors import BundleDamagedError, ConfigError, PackError, ParityError
from edgeclip_export.bundle_writer import BundleResult, write_bundle
from edgeclip_export.checks import Check
from edgeclip_export.config import BundleConfig
from support.tiny_packs import (
    EMBED_DIM,
    TinyEncoder,
    random_tensors,
    write_encoder,
    write_tiny_pack,
)

ADAPTER = ("va_down", "va_up", "va_ratio", "class_bias")


def _ignore(check: Check) -> None:
    assert check.name


def _config(pack: Path, out: Path, encoder: TinyEncoder, **options: object) -> BundleConfig:
    return BundleConfig(pack, out, str(encoder.config), str(encoder.weights), **options)  # type: ignore[arg-type]


def test_a_bundle_holds_graphs_pack_and_manifest_and_nothing_else(
    export: BundleResult, backbone: Backbone
) -> None:
    files = [p.relative_to(export.folder) for p in export.folder.rglob("*") if p.is_file()]
    graphs = f"backbone/{backbone.base.weights_sha256[:12]}"
    assert sorted(map(str, files)) == [
        f"{graphs}/model.cpu.onnx",
        f"{graphs}/model.trt.onnx",
        f"{graphs}/model.trt32attn.onnx",
        f"{graphs}/weights.fp16.bin",
        "manifest.json",
        "packs/leopard/1.0.0/adapter.safetensors",
        "packs/leopard/1.0.0/golden.npz",
        "packs/leopard/1.0.0/pack.json",
    ]


def test_the_manifest_hashes_every_other_file(export: BundleResult) -> None:
    read_bundle(export.folder)
    graph = export.folder / export.manifest.graphs[0].file
    files = {p for p in export.folder.rglob("*") if p.is_file() and p.name != "manifest.json"}
    names = {path.relative_to(export.folder).as_posix() for path in files}
    assert set(export.manifest.files) == names
    assert export.manifest.files[export.manifest.graphs[0].file].size_bytes == graph.stat().st_size


def test_the_manifest_names_rungs_versions_sizes_and_what_was_measured(
    manifest: BundleManifest,
) -> None:
    rungs = [(graph.rung, graph.runtime) for graph in manifest.graphs]
    assert rungs == [
        ("fp16", "tensorrt"),
        ("fp16-attn32", "tensorrt"),
        ("fp32", "onnxruntime"),
    ]
    assert {"edgeclip", "onnx", "onnxruntime", "open_clip_torch", "torch"} <= set(manifest.tool)
    assert (manifest.profiles["B"].opt, manifest.profiles["B"].max) == (1, 4)
    assert manifest.parity["images"] == 12
    assert 0 <= manifest.parity["one_minus_cosine"] <= 1e-6
    assert 0 < manifest.parity["fp16_logits"] < 1
    stored = manifest.parity["stored_logits"]
    assert manifest.parity["logits"] < stored < manifest.parity["fp16_logits"]


def test_all_graphs_share_one_weight_file_beside_them(
    export: BundleResult, manifest: BundleManifest
) -> None:
    (weights,) = {graph.weights for graph in manifest.graphs}
    assert weights is not None
    size = manifest.files[weights].size_bytes
    halves = 2 * manifest.base.params
    assert halves < size < 1.5 * halves  # a tiny encoder's pages are not full
    for graph in manifest.graphs:
        model = onnx.load(export.folder / graph.file, load_external_data=False)
        apart = [t for t in model.graph.initializer if t.external_data]
        assert {t.external_data[0].value for t in apart} == {"weights.fp16.bin"}
        assert sum(len(t.raw_data) for t in model.graph.initializer) < 10_000


def test_the_bundled_pack_is_the_trainers(export: BundleResult, pack_folder: Path) -> None:
    bundled = read_bundled_pack(export.folder, export.manifest, "leopard")
    assert bundled == read_pack_manifest(pack_folder)


def test_every_check_passed_or_says_why_it_was_not_made(export: BundleResult) -> None:
    assert [check.line() for check in export.checks if check.passed is False] == []
    assert all(check.note for check in export.checks if check.passed is None)
    subjects = {check.name.split(":")[0] for check in export.checks}
    assert {"golden outputs, torch", "ONNX Runtime, torch", "other sizes, all adapters"} < subjects


def test_golden_outputs_beyond_tolerance_write_nothing(
    backbone: Backbone, encoder: TinyEncoder, tmp_path: Path
) -> None:
    tensors = random_tensors(1, columns=3, names=ADAPTER)
    write_tiny_pack(tmp_path / "pack", backbone, tensors, golden_change=0.02)
    seen: list[Check] = []
    with pytest.raises(ParityError) as caught:
        write_bundle(_config(tmp_path / "pack", tmp_path / "out", encoder), seen.append)
    assert "golden outputs, torch: logits  2.00e-02 (at most 0.005)" in str(caught.value)
    assert "worst logits in image 0" in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["pack"]
    assert [check.name for check in seen if not check.passed][:1] == [
        "golden outputs, torch: logits"
    ]


def test_a_damaged_pack_is_refused_and_nothing_is_written(
    pack_folder: Path, encoder: TinyEncoder, tmp_path: Path
) -> None:
    pack = Path(shutil.copytree(pack_folder, tmp_path / "pack"))
    tensors = pack / "adapter.safetensors"
    tensors.write_bytes(tensors.read_bytes()[:-4])
    with pytest.raises(PackError, match=r"adapter\.safetensors was altered or cut short"):
        write_bundle(_config(pack, tmp_path / "out", encoder), _ignore)
    assert not (tmp_path / "out").exists()


def test_invariant_22_a_pack_whose_prompts_were_edited_makes_no_bundle(
    pack_folder: Path, encoder: TinyEncoder, tmp_path: Path
) -> None:
    pack = shutil.copytree(pack_folder, tmp_path / "pack")
    path = pack / "pack.json"
    path.write_text(path.read_text().replace("an animal", "a lion", 1))
    with pytest.raises(PackError, match="its prompts or class names are not those"):
        write_bundle(_config(pack, tmp_path / "bundle", encoder), _ignore)
    assert not (tmp_path / "bundle").exists()


def test_a_folder_without_a_pack_says_how_to_make_one(encoder: TinyEncoder, tmp_path: Path) -> None:
    with pytest.raises(PackError, match=r"make a pack with `edgeclip train --out`"):
        write_bundle(_config(tmp_path / "absent", tmp_path / "out", encoder), _ignore)


def test_a_pack_larger_than_the_engines_sizes_is_refused_by_number(
    backbone: Backbone, encoder: TinyEncoder, tmp_path: Path
) -> None:
    tensors = random_tensors(1, columns=65, names=())
    write_tiny_pack(tmp_path / "pack", backbone, tensors)
    with pytest.raises(PackError, match=r"class_weights has 65 columns \(K\)"):
        write_bundle(_config(tmp_path / "pack", tmp_path / "out", encoder), _ignore)


def test_a_batch_out_of_range_is_refused(
    pack_folder: Path, encoder: TinyEncoder, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="--max-batch is 65: give 2 to 64"):
        write_bundle(_config(pack_folder, tmp_path / "out", encoder, max_batch=65), _ignore)


def test_a_folder_that_is_not_empty_is_left_alone(
    bundle: Path, pack_folder: Path, encoder: TinyEncoder
) -> None:
    before = (bundle / "manifest.json").read_bytes()
    with pytest.raises(ConfigError, match="is not empty: choose another --out, or add --overwrite"):
        write_bundle(_config(pack_folder, bundle, encoder), _ignore)
    assert (bundle / "manifest.json").read_bytes() == before


def test_invariant_29_another_pack_replaces_a_bundle_and_has_the_very_same_graphs(
    bundle: Path, export: BundleResult, backbone: Backbone, encoder: TinyEncoder, tmp_path: Path
) -> None:
    tensors = random_tensors(3, columns=5, names=("projection_delta", "xm_q", "xm_k", "xm_v"))
    write_tiny_pack(tmp_path / "pack", backbone, tensors, version="2.0.0")
    write_bundle(_config(tmp_path / "pack", bundle, encoder, overwrite=True), _ignore)
    written = read_bundle(bundle)
    for graph in export.manifest.graphs:
        assert written.files[graph.file] == export.manifest.files[graph.file]
    assert [str(p.relative_to(bundle)) for p in bundle.glob("packs/*/*")] == ["packs/leopard/2.0.0"]


def test_an_export_that_fails_leaves_the_older_bundle_as_it_was(
    bundle: Path, backbone: Backbone, encoder: TinyEncoder, tmp_path: Path
) -> None:
    before = (bundle / "manifest.json").read_bytes()
    tensors = random_tensors(1, columns=3, names=ADAPTER)
    write_tiny_pack(tmp_path / "pack", backbone, tensors, golden_change=1.0)
    with pytest.raises(ParityError):
        write_bundle(_config(tmp_path / "pack", bundle, encoder, overwrite=True), _ignore)
    assert (bundle / "manifest.json").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bundle", "pack"]


def test_overwrite_never_deletes_what_is_no_bundle(
    pack_folder: Path, encoder: TinyEncoder, tmp_path: Path
) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ConfigError, match=r"holds no manifest.json: --overwrite would delete"):
        write_bundle(_config(pack_folder, tmp_path, encoder, overwrite=True), _ignore)
    assert (tmp_path / "thesis.txt").exists()


def test_a_bundle_is_never_written_over_its_own_pack(bundle: Path, encoder: TinyEncoder) -> None:
    pack = bundle / "packs/leopard/1.0.0"
    with pytest.raises(ConfigError, match="holds the pack"):
        write_bundle(_config(pack, bundle, encoder, overwrite=True), _ignore)
    assert pack.is_dir()


def test_a_bundle_whose_graph_is_altered_later_is_refused(
    bundle: Path, manifest: BundleManifest
) -> None:
    graph = bundle / manifest.graphs[0].file
    graph.write_bytes(graph.read_bytes()[:-1] + b"\0")
    with pytest.raises(BundleDamagedError, match=r"model\.trt\.onnx was altered"):
        read_bundle(bundle)


@pytest.mark.slow
def test_a_convolutional_encoder_is_exported_too(tmp_path: Path) -> None:
    vision = {
        "timm_model_name": "test_resnet",
        "timm_model_pretrained": False,
        "timm_pool": "avg",
        "timm_proj": "",
        "image_size": 64,
    }
    files = write_encoder(tmp_path / "encoder", vision=vision)
    backbone = files.load()
    tensors = random_tensors(1, columns=3, width=EMBED_DIM, names=ADAPTER)
    write_tiny_pack(tmp_path / "pack", backbone, tensors)
    result = write_bundle(_config(tmp_path / "pack", tmp_path / "out", files), _ignore)
    assert result.manifest.base.width == EMBED_DIM  # it has no projection of its own
    assert result.manifest.preprocess.size == 64


def test_the_encoder_that_the_project_carries_needs_no_name(tmp_path: Path) -> None:
    backbone = clip.load_backbone(clip.DEMO)
    width, embed_dim = backbone.base.width, backbone.base.embed_dim
    tensors = random_tensors(1, columns=3, width=width, embed_dim=embed_dim, names=ADAPTER)
    write_tiny_pack(tmp_path / "pack", backbone, tensors)
    result = write_bundle(BundleConfig(tmp_path / "pack", tmp_path / "out"), _ignore)
    assert result.manifest.base.arch == clip.DEMO
