"""`--bake`: one graph, one pack; what the pack leaves out has no node."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from edgeclip.clip import Backbone
from edgeclip.contract.bundle import BundleManifest, read_bundle
from edgeclip.contract.slots import DEEP_OUTPUTS, HEAD_OUTPUTS
from edgeclip.errors import BundleMismatchError, ParityError
from edgeclip.packs import load_pack
from edgeclip_device.backends.choosing import open_backend
from edgeclip_device.config import InferenceSettings
from edgeclip_device.packs import load_pack as load_device_pack
from edgeclip_export.add_pack import add_pack
from edgeclip_export.bundle_writer import BundleResult, write_bundle
from edgeclip_export.config import BundleConfig, EngineConfig
from edgeclip_export.describe import describe_bundle
from edgeclip_export.engine_files import prepare_engine
from edgeclip_export.graph_rules import node_histogram
from edgeclip_export.progress import SilentProgress
from edgeclip_export.verify import verify_bundle
from support.export_commands import Run
from support.tiny_packs import (
    Tensors,
    TinyEncoder,
    random_deltas,
    random_tensors,
    write_encoder,
    write_tiny_pack,
)
from support.towers import RESNET

VISUAL = ("va_down", "va_up", "va_ratio")
BLOCKS = ("ba_down", "ba_down_bias", "ba_up", "ba_up_bias")
CROSS = ("bx_qk", "bx_qk_bias", "bx_vo", "bx_out_bias")
POOLING = ("cp_attend", "cp_score")
ON_WEIGHTS = ("ln", "lora", "svd", "stages", "parallel_mlp", "mlp_ln")
KINDS = (
    "zero-shot",
    "gda",
    "visual",
    "linear",
    "linear+visual",
    "tip",
    "block",
    "deep",
    *ON_WEIGHTS,
)
Exporter = Callable[[str], BundleResult]


@pytest.fixture(scope="module")
def resnet(tmp_path_factory: pytest.TempPathFactory) -> TinyEncoder:
    return write_encoder(tmp_path_factory.mktemp("resnet"), vision=RESNET)


def _tensors(kind: str, backbone: Backbone) -> Tensors:
    names: dict[str, tuple[str, ...]] = {
        "gda": ("class_bias",),
        "visual": VISUAL,
        "linear": ("projection_delta",),
        "linear+visual": ("projection_delta", *VISUAL),
        "tip": ("cache_keys", "cache_values", "alpha", "beta"),
        "block": BLOCKS,
        "deep": (*VISUAL, *BLOCKS, *CROSS, *POOLING),
        "lora": VISUAL,
    }
    base = backbone.base
    tensors = random_tensors(
        1, columns=3, names=names.get(kind, ()), width=base.width, embed_dim=base.embed_dim
    )
    if kind == "block":
        tensors["ba_up"][0] = tensors["ba_up_bias"][0] = 0  # the first block has no adapter
    return tensors | (random_deltas(backbone, kind) if kind in ON_WEIGHTS else {})


@pytest.fixture(scope="module")
def baked(
    tmp_path_factory: pytest.TempPathFactory, encoder: TinyEncoder, resnet: TinyEncoder
) -> Exporter:
    """Bundles of packs of each kind, baked, each made once."""
    folder, made = tmp_path_factory.mktemp("baked"), dict[str, BundleResult]()

    def bundle(kind: str) -> BundleResult:
        if kind not in made:
            own = resnet if kind == "stages" else encoder
            backbone = own.load()
            write_tiny_pack(folder / kind, backbone, _tensors(kind, backbone))
            config = BundleConfig(
                folder / kind, folder / f"{kind}-bundle", str(own.config), str(own.weights),
                bake=True,
            )  # fmt: skip
            made[kind] = write_bundle(config, lambda _: None)
        return made[kind]

    return bundle


def _graph(result: BundleResult, runtime: str) -> onnx.ModelProto:
    file = next(g.file for g in result.manifest.graphs if g.runtime == runtime)
    return onnx.load(result.folder / file, load_external_data=False)


@pytest.mark.parametrize("kind", KINDS)
def test_invariant_21_the_only_input_is_images_and_every_gate_holds(
    kind: str, baked: Exporter
) -> None:
    result = baked(kind)
    manifest = result.manifest
    assert manifest.baked
    assert {tuple(graph.inputs) for graph in manifest.graphs} == {("images",)}
    assert manifest.profiles.keys() == {"B"}
    assert all(check.passed is not False for check in result.checks)
    names = [check.name for check in result.checks]
    assert "ONNX Runtime, torch: logits" in names
    assert "golden outputs, torch: logits" in names
    assert any("operators are as expected" in name for name in names)
    for runtime in ("onnxruntime", "tensorrt"):
        graph = _graph(result, runtime).graph
        assert [port.name for port in graph.input] == ["images"]
        outputs = DEEP_OUTPUTS if kind == "deep" else HEAD_OUTPUTS
        assert tuple(port.name for port in graph.output) == outputs


@pytest.mark.parametrize("kind", ["gda", "ln", "lora", "svd", "parallel_mlp"])
def test_invariant_29_a_pack_of_class_f0_adds_no_node(kind: str, baked: Exporter) -> None:
    extra = {"MatMul": 2, "Relu": 1} if kind == "lora" else {}  # that pack has a visual adapter too
    for runtime in ("onnxruntime", "tensorrt"):
        bare = node_histogram(_graph(baked("zero-shot"), runtime))
        own = node_histogram(_graph(baked(kind), runtime))
        if not extra:
            assert own == bare
        for operator, count in extra.items():
            assert own[operator] == bare.get(operator, 0) + count


@pytest.mark.parametrize(
    ("kind", "without"), [("linear", "zero-shot"), ("linear+visual", "visual")]
)
@pytest.mark.parametrize("runtime", ["onnxruntime", "tensorrt"])
def test_invariant_29_a_moved_projection_adds_no_node(
    kind: str, without: str, runtime: str, baked: Exporter
) -> None:
    own, bare = (node_histogram(_graph(baked(name), runtime)) for name in (kind, without))
    assert own == bare


@pytest.mark.parametrize("kind", ["linear", "linear+visual"])
def test_the_golden_outputs_of_a_moved_projection_are_computed_again_by_the_graph(
    kind: str, baked: Exporter
) -> None:
    result = baked(kind)
    pack = load_pack(result.folder / result.manifest.packs[0].path)
    assert pack.tensors["projection_delta"].any()
    assert all(c.passed for c in verify_bundle(result.folder, lambda _: None, backend="ort"))


def test_what_a_deep_pack_leaves_neutral_has_no_node(baked: Exporter) -> None:
    kinds = ("zero-shot", "block", "deep")
    bare, block, deep = (node_histogram(_graph(baked(kind), "onnxruntime")) for kind in kinds)
    norms = [counts["LayerNormalization"] for counts in (bare, block, deep)]
    assert norms == [norms[0], norms[0] + 1, norms[0] + 2]
    assert block["Softmax"] == bare["Softmax"]
    assert deep["Softmax"] == bare["Softmax"] + 2 + 1  # of two blocks, and of the pooling


@pytest.mark.parametrize("kind", ["visual", "deep", "lora", "stages"])
def test_a_device_computes_the_golden_outputs_and_the_bundle_is_verified(
    kind: str, baked: Exporter
) -> None:
    result = baked(kind)
    settings = InferenceSettings(bundle=result.folder, backend="onnxruntime")
    pack = load_device_pack(settings)
    backend = open_backend(pack, settings)
    own = load_pack(result.folder / result.manifest.packs[0].path)
    found = backend.run(own.golden.images)
    np.testing.assert_allclose(found.logits, own.golden.logits, atol=0.05)
    np.testing.assert_allclose(found.probabilities, own.golden.probabilities, atol=0.02)
    assert all(c.passed for c in verify_bundle(result.folder, lambda _: None, backend="ort"))


def test_two_packs_of_one_encoder_have_graphs_of_their_own(baked: Exporter) -> None:
    def cpu_hash(manifest: BundleManifest) -> str:
        return manifest.files[manifest.graph_for("onnxruntime").file].sha256

    manifests = [read_bundle(baked(kind).folder) for kind in ("gda", "zero-shot", "ln")]
    assert len({cpu_hash(manifest) for manifest in manifests}) == 3
    assert len({manifest.base.weights_sha256 for manifest in manifests}) == 1


@pytest.mark.rtx
@pytest.mark.parametrize("kind", ["visual", "deep", "lora", "stages"])
def test_tensorrt_rtx_builds_an_engine_of_it(kind: str, baked: Exporter, tmp_path: Path) -> None:
    folder = shutil.copytree(baked(kind).folder, tmp_path / "bundle")
    built = prepare_engine(folder, EngineConfig("fp16"), SilentProgress(), lambda _: None)
    assert built.path.stat().st_size > 1000


def test_a_bake_only_pack_is_refused_without_it_in_one_line(
    encoder: TinyEncoder, backbone: Backbone, run: Run, tmp_path: Path
) -> None:
    write_tiny_pack(tmp_path / "pack", backbone, _tensors("lora", backbone))
    names = ("--backbone", encoder.config, "--pretrained", encoder.weights)
    done = run("bundle", "--pack", tmp_path / "pack", "--out", tmp_path / "out", *names)
    assert (done.code, done.out) == (2, "")
    assert "changes the encoder's own weights" in done.err
    assert "add --bake, which makes a graph for this pack alone" in done.err
    assert done.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_the_command_says_that_it_is_baked(
    encoder: TinyEncoder, pack_folder: Path, run: Run, tmp_path: Path
) -> None:
    names = ("--backbone", encoder.config, "--pretrained", encoder.weights)
    out = tmp_path / "out"
    done = run("bundle", "--pack", pack_folder, "--out", out, *names, "--bake")
    assert done.code == 0, done.err
    assert "baked: its graphs are leopard 1.0.0, and take no other pack" in done.out
    assert "baked into the graphs" in run("inspect", out).out
    assert describe_bundle(out)["baked"] is True


def test_no_pack_is_added_to_it_nor_one_that_changes_weights_to_another(
    baked: Exporter, bundle: Path, backbone: Backbone, tmp_path: Path
) -> None:
    write_tiny_pack(tmp_path / "newer", backbone, _tensors("gda", backbone), version="2.0.0")
    with pytest.raises(BundleMismatchError, match="has leopard baked in, and its graphs take no"):
        add_pack(baked("gda").folder, tmp_path / "newer", lambda _: None)
    write_tiny_pack(tmp_path / "lora", backbone, _tensors("lora", backbone), version="2.0.0")
    with pytest.raises(BundleMismatchError, match="changes the encoder's own weights"):
        add_pack(bundle, tmp_path / "lora", lambda _: None)


def test_wrong_golden_outputs_stop_the_export(
    encoder: TinyEncoder, backbone: Backbone, tmp_path: Path
) -> None:
    tensors = _tensors("lora", backbone)
    write_tiny_pack(tmp_path / "pack", backbone, tensors, golden_change=1.0)
    config = BundleConfig(
        tmp_path / "pack", tmp_path / "out", str(encoder.config), str(encoder.weights), bake=True
    )
    with pytest.raises(ParityError, match="golden outputs, torch: logits"):
        write_bundle(config, lambda _: None)
    assert not (tmp_path / "out").exists()
