from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from edgeclip.adapters.pack_outputs import outputs_of
from edgeclip.clip import Backbone
from edgeclip.contract.bundle import read_bundle
from edgeclip.contract.pack import filled_for
from edgeclip.contract.profiles import check_pack_fits, default_profiles
from edgeclip.contract.slots import ALL_SLOTS, DEEP_OUTPUTS, DEEP_SLOTS, GRAPH_OUTPUTS
from edgeclip.contract.tensorrt_api import TensorRtApi
from edgeclip.errors import BackendError, ConfigError, PackError
from edgeclip.packs import check_golden, load_pack
from edgeclip_device.backends.onnxruntime_backend import OnnxRuntimeBackend
from edgeclip_device.backends.tensorrt_backend import TensorRtBackend
from edgeclip_export.bundle_writer import BundleResult, write_bundle
from edgeclip_export.config import BundleConfig
from edgeclip_export.differences import PATCH_LIMIT, attention_checks
from edgeclip_export.fuse import FusedModel
from edgeclip_export.graph_checks import MOST_NODES, graph_checks
from edgeclip_export.graph_rules import node_histogram
from edgeclip_export.onnx_graph import export_graph
from edgeclip_export.ort_graph import OrtGraph
from edgeclip_export.verify import verify_bundle
from support.cuda_stand_in import memory
from support.tensorrt_stand_in import ENGINE, StandIn
from support.tiny_packs import (
    TinyEncoder,
    random_tensors,
    write_encoder,
    write_tiny_pack,
)
from support.towers import RESNET, VIT

Tensors = dict[str, NDArray[np.float32]]
WIDTH, BLOCKS = 32, 3


@pytest.fixture(scope="module")
def deep_encoder(tmp_path_factory: pytest.TempPathFactory) -> TinyEncoder:
    return write_encoder(tmp_path_factory.mktemp("deep"), vision=VIT | {"pool_type": "avg"})


@pytest.fixture(scope="module")
def deep_backbone(deep_encoder: TinyEncoder) -> Backbone:
    return deep_encoder.load()


def _tensors(names: tuple[str, ...] = tuple(DEEP_SLOTS), seed: int = 1) -> Tensors:
    names = (*names, "va_down", "va_up", "va_ratio")
    return random_tensors(seed, columns=3, names=names, width=WIDTH, blocks=BLOCKS)


def _config(pack: Path, out: Path, encoder: TinyEncoder) -> BundleConfig:
    return BundleConfig(pack, out, str(encoder.config), str(encoder.weights), False)


@pytest.fixture(scope="module")
def deep_export(
    tmp_path_factory: pytest.TempPathFactory, deep_encoder: TinyEncoder, deep_backbone: Backbone
) -> BundleResult:
    folder = tmp_path_factory.mktemp("deep-bundles")
    write_tiny_pack(folder / "pack", deep_backbone, _tensors())
    return write_bundle(_config(folder / "pack", folder / "bundle", deep_encoder), lambda _: None)


def test_invariant_21_a_deep_pack_becomes_a_bundle_whose_every_check_passes(
    deep_export: BundleResult,
) -> None:
    assert all(check.passed is not False for check in deep_export.checks)
    manifest = read_bundle(deep_export.folder)
    assert manifest.graph == "deep"
    for graph in manifest.graphs:
        assert graph.inputs == ["images", *ALL_SLOTS]
        assert graph.outputs == list(DEEP_OUTPUTS)
    assert {"h", "T"} <= set(manifest.profiles)


def test_the_bundle_can_be_verified_again(deep_export: BundleResult) -> None:
    checks = verify_bundle(deep_export.folder, lambda _: None, backend="ort")
    assert all(check.passed for check in checks)


@pytest.mark.parametrize(
    "names",
    [("ba_down", "ba_up"), ("bx_qk", "bx_vo"), ("cp_attend", "cp_score"), ()],
    ids=["blocks", "cross-modal blocks", "pooling", "a pack of the head"],
)
def test_the_device_binds_any_pack_to_the_deep_graph(
    deep_export: BundleResult, deep_backbone: Backbone, names: tuple[str, ...]
) -> None:
    tensors = _tensors(names, seed=4)
    images = np.random.default_rng(8).integers(0, 256, (3, 32, 32, 3), np.uint8)
    manifest = read_bundle(deep_export.folder)
    backend = OnnxRuntimeBackend(
        deep_export.folder / manifest.graph_for("onnxruntime").file, threads=1
    )
    backend.bind(filled_for(manifest.graph, manifest.base, tensors))
    found, expected = backend.run(images), outputs_of(images, deep_backbone, tensors)
    for name in GRAPH_OUTPUTS:
        difference = np.abs(getattr(found, name) - getattr(expected, name).numpy()).max()
        assert difference < (0.02 if name == "logits" else 1e-3), name  # weights stored in half
    backend.close()


def test_the_device_binds_them_to_a_tensorrt_engine_too(
    deep_export: BundleResult, deep_backbone: Backbone, tmp_path: Path
) -> None:
    manifest = read_bundle(deep_export.folder)
    largest = {"1": 1, "D": WIDTH, "E": 24, "A": BLOCKS, "X": BLOCKS, "N": 16, "h": 8, "T": 8}
    largest |= {"H": 8, "d": 8, "M": 8, "K": 8, "C": 8}
    graph = deep_export.folder / manifest.graph_for("onnxruntime").file
    stand_in = StandIn(graph, kind="deep", largest=largest)
    (tmp_path / "a.engine").write_bytes(ENGINE)
    backend = TensorRtBackend(
        tmp_path / "a.engine", "fp32", api=TensorRtApi(stand_in.module), memory=memory()
    )
    tensors = _tensors(seed=6)
    backend.bind(filled_for("deep", manifest.base, tensors))
    images = np.random.default_rng(8).integers(0, 256, (2, 32, 32, 3), np.uint8)
    found, expected = backend.run(images), outputs_of(images, deep_backbone, tensors)
    np.testing.assert_allclose(found.logits, expected.logits.numpy(), atol=0.02)
    backend.close()


def test_the_device_asks_for_the_slots_inside_the_tower(deep_export: BundleResult) -> None:
    manifest = read_bundle(deep_export.folder)
    graph = deep_export.folder / manifest.graph_for("onnxruntime").file
    filled = filled_for("head", manifest.base, _tensors(()))
    with pytest.raises(BackendError, match="the pack gives no ba_down"):
        OnnxRuntimeBackend(graph, threads=1).bind(filled)


def test_a_deep_graph_has_a_norm_a_softmax_and_two_casts_a_block_and_no_branches(
    deep_export: BundleResult, deep_backbone: Backbone
) -> None:
    manifest = read_bundle(deep_export.folder)
    model = onnx.load(deep_export.folder / manifest.graph_for("tensorrt").file)
    counts = node_histogram(model)
    norms = FusedModel(deep_backbone, "fp16").expected("fp16").layer_norms
    in_tower_and_head = BLOCKS + 2
    assert counts["LayerNormalization"] == norms + BLOCKS
    assert counts["Softmax"] == in_tower_and_head + BLOCKS + 1  # cross-modal blocks, pooling
    assert counts["Cast"] <= 5 + 2 * BLOCKS
    assert not {"If", "Loop", "Resize", "NonZero"} & set(counts)
    assert not any("text" in tensor.name for tensor in model.graph.initializer)


def test_a_deep_graph_of_twelve_blocks_may_be_larger_than_one_without_adapters_inside(
    tmp_path: Path,
) -> None:
    encoder = write_encoder(tmp_path / "encoder", vision=VIT | {"layers": 12})
    fused = FusedModel(encoder.load(), "fp16", "deep").eval()
    graph = export_graph(fused, fused.size).inlined()
    onnx.save(graph, tmp_path / "model.onnx")
    assert len(graph.graph.node) > MOST_NODES
    assert all(
        check.passed for check in graph_checks(tmp_path / "model.onnx", fused.expected("fp16"))
    )


def test_the_heat_map_of_the_graph_is_that_of_torch(
    deep_export: BundleResult, deep_backbone: Backbone
) -> None:
    import onnxruntime
    import torch

    from edgeclip.adapters.deep_graph import DeepModel

    tensors = filled_for("deep", deep_backbone.base, _tensors())
    images = np.random.default_rng(8).integers(0, 256, (2, 32, 32, 3), np.uint8)
    lower, upper = deep_backbone.split(0)
    slots = {name: torch.from_numpy(slot) for name, slot in tensors.items()}
    with torch.inference_mode():
        expected = DeepModel(upper)(deep_backbone.embed_tokens(images, lower), slots).attention
    path = deep_export.folder / read_bundle(deep_export.folder).graph_for("onnxruntime").file
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (found,) = session.run(["attention"], {"images": images, **tensors})
    assert found.shape == (2, 16, 3)
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-4)


def test_the_cells_scores_of_a_deep_graph_are_those_of_its_last_values(
    deep_export: BundleResult, deep_backbone: Backbone
) -> None:
    tensors = filled_for("deep", deep_backbone.base, _tensors(("ba_down", "projection_delta")))
    images = np.random.default_rng(8).integers(0, 256, (2, 32, 32, 3), np.uint8)
    tokens = _cells(deep_backbone, images)
    projection = deep_backbone.tower.projection.numpy() + tensors["projection_delta"]
    patches = tokens @ projection
    directions = patches / np.linalg.norm(patches, axis=-1, keepdims=True)
    path = deep_export.folder / read_bundle(deep_export.folder).graph_for("onnxruntime").file
    found = OrtGraph(path).run(images, tensors)["patch_scores"]
    np.testing.assert_allclose(found, directions @ tensors["class_weights"], atol=2e-3)


def _cells(backbone: Backbone, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    import torch

    from support.towers import cells_by_last_values

    mean, std = (torch.tensor(v) for v in (backbone.preprocess.mean, backbone.preprocess.std))
    pixels = ((torch.from_numpy(images).float() / 255 - mean) / std).permute(0, 3, 1, 2)
    with torch.inference_mode():
        return np.asarray(cells_by_last_values(backbone.tower.visual, pixels).numpy())


def test_a_graph_with_an_input_of_another_name_is_found_out(
    deep_export: BundleResult, deep_backbone: Backbone, tmp_path: Path
) -> None:
    manifest = read_bundle(deep_export.folder)
    path = deep_export.folder / manifest.graph_for("onnxruntime").file
    expected = FusedModel(deep_backbone, "fp32", "deep").expected("fp32")
    assert graph_checks(path, expected)[1].passed
    model = onnx.load(path)
    model.graph.input[-1].name = "other"
    onnx.save(model, tmp_path / "other.onnx")
    assert not graph_checks(tmp_path / "other.onnx", expected)[1].passed


def test_invariants_30_and_31_a_deep_pack_is_read_bit_for_bit_and_its_golden_outputs_again(
    tmp_path: Path, deep_backbone: Backbone
) -> None:
    tensors = _tensors()
    write_tiny_pack(tmp_path / "pack", deep_backbone, tensors)
    pack = load_pack(tmp_path / "pack")
    assert pack.manifest.graph == "deep"
    assert all(np.array_equal(pack.tensors[name], tensors[name]) for name in tensors)
    assert check_golden(pack, deep_backbone) < 1e-5


def test_a_tower_without_known_blocks_takes_no_deep_graph(tmp_path: Path) -> None:
    resnet = write_encoder(tmp_path / "resnet", vision=RESNET).load()
    with pytest.raises(ConfigError, match="is a ResNet"):
        FusedModel(resnet, "fp32", "deep")
    with pytest.raises(PackError, match="which this encoder does not have"):
        filled_for("deep", resnet.base, _tensors())


def test_a_pack_larger_than_the_profile_is_refused_by_name(deep_backbone: Backbone) -> None:
    tensors = _tensors()
    tensors |= {
        "ba_down": np.ones((BLOCKS, WIDTH, 65), np.float32),
        "ba_up": np.ones((BLOCKS, 65, WIDTH), np.float32),
        "ba_down_bias": np.ones((BLOCKS, 65), np.float32),
    }
    filled = filled_for("deep", deep_backbone.base, tensors)
    with pytest.raises(PackError, match=r"ba_down has 65 block_hidden \(h\).* takes 1 to 64"):
        check_pack_fits(filled, default_profiles(4, "deep"))


def test_where_each_class_looked_is_compared_as_well(deep_export: BundleResult) -> None:
    checks = {check.name: check for check in deep_export.checks if "attention" in check.name}
    assert [name.split(":")[0] for name in checks] == [
        "ONNX Runtime, torch",
        "other sizes, all adapters",
        "FP16 weights in ONNX Runtime, torch",
    ]
    assert all(check.passed for check in checks.values())


@pytest.mark.parametrize(("off", "passed"), [(0.0, True), (2e-4, False), (np.nan, False)])
def test_an_attention_elsewhere_fails(off: float, passed: bool) -> None:
    reference = {"attention": np.full((3, 4, 2), 0.25, np.float32)}
    found = {"attention": reference["attention"][1:].copy()}
    found["attention"][1, 0, 0] += np.float32(off)
    (check,) = attention_checks("a, b", reference, found, PATCH_LIMIT)
    assert check.passed is passed
    assert attention_checks("a, b", reference, {}, PATCH_LIMIT) == []
