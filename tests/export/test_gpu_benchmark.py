"""`benchmarks.gpu` where there is no GPU: it says so and leaves nothing."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import gpu
from benchmarks.gpu_case import engines
from benchmarks.gpu_case.packs import random_slots, write_untrained_pack
from edgeclip.clip import Backbone
from edgeclip.contract.bundle import BundleManifest
from edgeclip.packs import check_golden, load_pack


def test_without_a_gpu_it_says_so_and_writes_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(gpu, "find_gpu", lambda: None)
    monkeypatch.setattr(sys, "argv", ["gpu", "--out", str(tmp_path / "gpu.json")])
    assert gpu.main() == 2
    assert "no GPU here: nothing is measured" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_its_pack_is_one_that_training_could_have_written(
    backbone: Backbone, tmp_path: Path
) -> None:
    write_untrained_pack(tmp_path / "pack", backbone)
    pack = load_pack(tmp_path / "pack")
    assert check_golden(pack, backbone) < 1e-4
    slots = random_slots(backbone)
    np.testing.assert_allclose(np.linalg.norm(slots["class_weights"], axis=0), 1, rtol=1e-5)
    assert pack.tensors.keys() == slots.keys()


def test_packs_that_are_swapped_differ_in_shape(
    manifest: BundleManifest, backbone: Backbone, tmp_path: Path
) -> None:
    write_untrained_pack(tmp_path / "pack", backbone)
    bundle = engines.Bundle(tmp_path, manifest, load_pack(tmp_path / "pack"))
    first, second = bundle.slots, engines._smaller(bundle)
    assert first.keys() == second.keys()
    other = {name for name in first if first[name].shape != second[name].shape}
    assert {"va_down", "va_up", "class_weights"} <= other
