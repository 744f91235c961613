"""Packs that change the encoder's own weights: read strictly, refused where they do not fit."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from edgeclip.clip import Backbone
from edgeclip.contract.hashing import sha256_file
from edgeclip.errors import PackError
from edgeclip.packs import check_golden, load_pack
from support.tiny_packs import random_deltas, random_tensors, write_encoder, write_tiny_pack
from support.towers import RESNET


@pytest.fixture
def damaged(backbone: Backbone, tmp_path: Path) -> Path:
    """A whole pack, for a test to damage."""
    tensors = random_tensors(1, columns=3, names=("va_down", "va_up", "va_ratio"))
    write_tiny_pack(tmp_path / "pack", backbone, tensors | random_deltas(backbone, "lora"))
    return tmp_path / "pack"


@pytest.mark.parametrize("kind", ["ln", "lora", "svd", "parallel_mlp", "mlp_ln"])
def test_invariants_30_and_31_a_pack_of_each_kind_is_read_and_gives_its_golden_outputs_again(
    kind: str, backbone: Backbone, tmp_path: Path
) -> None:
    tensors = random_tensors(1, columns=3, names=()) | random_deltas(backbone, kind)
    write_tiny_pack(tmp_path / "pack", backbone, tensors)
    pack = load_pack(tmp_path / "pack")
    assert all(np.array_equal(pack.tensors[name], value) for name, value in tensors.items())
    assert check_golden(pack, backbone) == 0.0


def _rewritten(folder: Path, tensors: dict[str, np.ndarray]) -> None:
    """Write other tensors into a pack, whose manifest agrees with them."""
    save_file(tensors, folder / "adapter.safetensors")
    document = json.loads((folder / "pack.json").read_text())
    document["slots"] = {name: list(value.shape) for name, value in tensors.items()}
    document["files"]["adapter.safetensors"] = sha256_file(folder / "adapter.safetensors")
    (folder / "pack.json").write_text(json.dumps(document))


def test_invariant_31_a_changed_delta_is_seen_by_the_golden_outputs(
    damaged: Path, backbone: Backbone
) -> None:
    tensors = load_file(damaged / "adapter.safetensors")
    name = next(name for name in tensors if name.endswith("lora_b"))
    _rewritten(damaged, tensors | {name: tensors[name] + 1})
    with pytest.raises(PackError, match="golden"):
        check_golden(load_pack(damaged), backbone)


def test_half_of_a_pair_is_refused(damaged: Path, backbone: Backbone) -> None:
    tensors = load_file(damaged / "adapter.safetensors")
    for ending in ("lora_a", "lora_b"):
        gone = next(name for name in tensors if name.endswith(ending))
        _rewritten(damaged, {name: value for name, value in tensors.items() if name != gone})
        with pytest.raises(PackError, match="does not fit"):
            check_golden(load_pack(damaged), backbone)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.full((4, 4), np.nan, np.float32), "holds values that are not finite"),
        (np.ones((4, 4), np.float64), "are not float32"),
        (np.zeros((1000, 1000), np.float32), "hold more numbers than the image tower"),
    ],
    ids=["not finite", "another type", "too large"],
)
def test_a_delta_that_is_none_is_refused(
    damaged: Path,
    value: np.ndarray,
    message: str,
) -> None:
    _rewritten(damaged, load_file(damaged / "adapter.safetensors") | {"delta.x": value})
    with pytest.raises(PackError, match=message):
        load_pack(damaged)


def test_a_manifest_that_hides_the_changes_is_refused(damaged: Path) -> None:
    path = damaged / "pack.json"
    path.write_text(path.read_text().replace('"fusion_class": "bake-only"', '"fusion_class": "F0"'))
    with pytest.raises(PackError, match="fusion_class F0 and the tensors under delta"):
        load_pack(damaged)


def test_a_pack_on_another_encoder_s_weights_is_refused(damaged: Path, tmp_path: Path) -> None:
    other = write_encoder(tmp_path / "other", seed=9).load()
    with pytest.raises(PackError, match="the pack was trained on"):
        check_golden(load_pack(damaged), other)


def test_stage_adapters_are_refused_by_a_tower_without_stages(
    damaged: Path, backbone: Backbone, tmp_path: Path
) -> None:
    resnet = write_encoder(tmp_path / "resnet", vision=RESNET).load()
    stages = random_deltas(resnet, "stages")
    few = {name: value for name, value in stages.items() if "layer1" in name}
    tensors = load_file(damaged / "adapter.safetensors")
    _rewritten(damaged, {n: v for n, v in tensors.items() if not n.startswith("delta.")} | few)
    with pytest.raises(PackError, match="stage adapters need a ResNet tower"):
        check_golden(load_pack(damaged), backbone)
