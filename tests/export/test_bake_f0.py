"""Invariant 29 for what moves the projection: baked in, it adds no node."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest

from edgeclip.clip import Backbone
from edgeclip.contract.slots import filled_slots
from edgeclip.packs import load_pack
from edgeclip.weight_hash import hash_weights
from edgeclip_export.bake import BakedModel, fold_projection
from edgeclip_export.bundle_writer import BundleResult, write_bundle
from edgeclip_export.config import BundleConfig
from edgeclip_export.graph_rules import node_histogram
from edgeclip_export.parity import fused_outputs, torch_outputs
from edgeclip_export.verify import verify_bundle
from support.tiny_packs import (
    EMBED_DIM,
    WIDTH,
    Tensors,
    TinyEncoder,
    random_tensors,
    write_tiny_pack,
)

VISUAL = ("va_down", "va_up", "va_ratio")
SLOTS = {
    "zero-shot": (),
    "projection": ("projection_delta",),
    "visual": VISUAL,
    "projection and visual": ("projection_delta", *VISUAL),
}
Exporter = Callable[[str], BundleResult]


def _tensors(kind: str) -> Tensors:
    return random_tensors(1, columns=3, names=SLOTS[kind])


@pytest.fixture(scope="module")
def baked(tmp_path_factory: pytest.TempPathFactory, encoder: TinyEncoder) -> Exporter:
    """Bundles of packs of each kind, baked, each made once."""
    folder, made = tmp_path_factory.mktemp("baked"), dict[str, BundleResult]()

    def bundle(kind: str) -> BundleResult:
        if kind not in made:
            write_tiny_pack(folder / kind, encoder.load(), _tensors(kind))
            config = BundleConfig(
                folder / kind, folder / f"{kind}-bundle", str(encoder.config),
                str(encoder.weights), bake=True,
            )  # fmt: skip
            made[kind] = write_bundle(config, lambda _: None)
        return made[kind]

    return bundle


def _histogram(result: BundleResult, runtime: str) -> dict[str, int]:
    file = next(g.file for g in result.manifest.graphs if g.runtime == runtime)
    return node_histogram(onnx.load(result.folder / file, load_external_data=False))


@pytest.mark.parametrize(
    ("kind", "without"), [("projection", "zero-shot"), ("projection and visual", "visual")]
)
@pytest.mark.parametrize("runtime", ["onnxruntime", "tensorrt"])
def test_invariant_29_a_moved_projection_adds_no_node(
    kind: str, without: str, runtime: str, baked: Exporter
) -> None:
    assert _histogram(baked(kind), runtime) == _histogram(baked(without), runtime)


@pytest.mark.parametrize("kind", ["projection", "projection and visual"])
def test_its_golden_outputs_are_computed_again_by_the_graph(kind: str, baked: Exporter) -> None:
    result = baked(kind)
    names = [check.name for check in result.checks]
    assert "golden outputs, torch: logits" in names
    assert all(check.passed is not False for check in result.checks)
    assert (
        load_pack(result.folder / result.manifest.packs[0].path).tensors["projection_delta"].any()
    )
    assert all(c.passed for c in verify_bundle(result.folder, lambda _: None, backend="ort"))


def test_invariant_11_folded_and_bound_projections_agree_and_the_encoder_stays(
    backbone: Backbone,
) -> None:
    slots = filled_slots(_tensors("projection and visual"), width=WIDTH, embed_dim=EMBED_DIM)
    images = np.random.default_rng(2).integers(0, 256, (4, 32, 32, 3), np.uint8)
    before = hash_weights(backbone.tower.state_dict())
    bound = torch_outputs(backbone, images, slots)
    folded, rest = fold_projection(backbone, slots)
    found = fused_outputs(BakedModel(folded, "fp32", "head", rest).eval(), images, {})
    for name in ("image_features", "logits", "probabilities"):
        np.testing.assert_allclose(found[name], bound[name], atol=1e-5)
    assert np.abs(found["base_embedding"] - bound["base_embedding"]).max() > 0.01
    assert hash_weights(backbone.tower.state_dict()) == before
    assert folded.tower.visual is backbone.tower.visual, "no copy of the weights"


def test_a_moved_projection_that_is_not_folded_is_refused(backbone: Backbone) -> None:
    slots = filled_slots(_tensors("projection"), width=WIDTH, embed_dim=EMBED_DIM)
    with pytest.raises(ValueError, match="projection_delta is not folded"):
        BakedModel(backbone, "fp32", "head", slots)
    plain = filled_slots(_tensors("zero-shot"), width=WIDTH, embed_dim=EMBED_DIM)
    assert fold_projection(backbone, plain) == (backbone, plain)
