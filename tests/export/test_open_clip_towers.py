"""The towers that people use export, verify and build: open_clip's own, with random weights.

`make towers` runs those that take minutes, one after the other.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeclip.contract.slots import GraphKind
from support.export_commands import Run
from support.open_clip_towers import write_open_clip_tower
from support.tiny_packs import random_tensors, write_tiny_pack

HEAD = ("va_down", "va_up", "va_ratio", "class_bias")
DEEP = (*HEAD, "ba_down", "ba_up", "bx_qk", "bx_vo", "cp_attend", "cp_score")
MOST_BYTES_A_PARAMETER = 2.2
# What a ResNet has beside its parameters: value and output matrix joined for its cells, in half
# precision, and the projection that packs change, here an identity, in single precision.
BESIDE_BYTES = {"RN50": 2 * 2048 * 1024 + 4 * 1024 * 1024}
LARGE = (pytest.mark.towers, pytest.mark.rtx)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder that is emptied at once: bundles of large towers take gigabytes."""
    yield tmp_path
    shutil.rmtree(tmp_path)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        pytest.param("ViT-B-32", "head", marks=(pytest.mark.slow, pytest.mark.rtx)),
        pytest.param("ViT-B-32", "deep", marks=LARGE),
        pytest.param("ViT-B-16", "head", marks=LARGE),
        pytest.param("ViT-B-16", "deep", marks=LARGE),
        pytest.param("ViT-L-14", "head", marks=LARGE),
        pytest.param("ViT-L-14", "deep", marks=LARGE),
        pytest.param("RN50", "head", marks=LARGE),
        pytest.param("ViT-B-16-SigLIP", "head", marks=LARGE),
        pytest.param("ViT-B-16-SigLIP2", "head", marks=LARGE),
        pytest.param("MobileCLIP-S1", "head", marks=LARGE),
        pytest.param("MobileCLIP-B", "head", marks=LARGE),
    ],
)
def test_a_tower_of_open_clip_exports_verifies_and_builds(
    run: Run, folder: Path, name: str, kind: GraphKind
) -> None:
    encoder = write_open_clip_tower(folder / "encoder", name)
    backbone = encoder.load()
    base = backbone.base
    tensors = random_tensors(
        1,
        columns=3,
        names=DEEP if kind == "deep" else HEAD,
        width=base.width,
        embed_dim=base.embed_dim,
        blocks=base.blocks,
    )
    write_tiny_pack(folder / "pack", backbone, tensors)
    del backbone
    out = folder / "bundle"
    named = ("--backbone", encoder.config, "--pretrained", encoder.weights)
    done = run("bundle", "--pack", folder / "pack", "--out", out, *named)
    assert done.code == 0, done.err
    assert "✓ model.trt.onnx: a TensorRT engine can be built  tensorrt_rtx" in done.out
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    assert size < MOST_BYTES_A_PARAMETER * base.params + BESIDE_BYTES.get(name, 0)
    verified = run("verify", out, "--backend", "ort")
    assert verified.code == 0, verified.err
