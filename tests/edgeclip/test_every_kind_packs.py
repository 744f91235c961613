"""Invariant 30 for every kind of adapter: what is stored comes back, and nothing else is taken."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save

from edgeclip.adapters.pack_outputs import outputs_of
from edgeclip.contract.hashing import sha256_file
from edgeclip.errors import PackError
from edgeclip.makers import MAKERS
from edgeclip.packs import check_golden, load_pack
from support.every_kind import EVERY, Bench, make_bench
from support.tiny_packs import write_tiny_pack
from support.towers import RESNET, VIT, load_tower

BenchOf = Callable[[str], Bench]
every = pytest.mark.parametrize("kind", EVERY)


@pytest.fixture(scope="module")
def bench_of(tmp_path_factory: pytest.TempPathFactory) -> BenchOf:
    made: dict[str, Bench] = {}

    def bench(kind: str) -> Bench:
        level = MAKERS[kind].level
        if level not in made:
            made[level] = make_bench(level, tmp_path_factory.mktemp(level))
        return made[level]

    return bench


def _written(kind: str, bench: Bench, folder: Path) -> dict[str, np.ndarray]:
    tensors = bench.moved(kind).pack_tensors()
    write_tiny_pack(folder, bench.backbone, tensors)
    return tensors


@every
def test_invariants_30_and_31_a_pack_is_read_bit_for_bit_and_so_are_its_logits(
    kind: str, bench_of: BenchOf, tmp_path: Path
) -> None:
    bench = bench_of(kind)
    tensors = _written(kind, bench, tmp_path / "pack")
    pack = load_pack(tmp_path / "pack")
    assert pack.tensors.keys() == tensors.keys()
    assert all(pack.tensors[name].tobytes() == tensors[name].tobytes() for name in tensors)
    again = outputs_of(pack.golden.images, bench.backbone, pack.tensors).logits.numpy()
    assert again.tobytes() == pack.golden.logits.tobytes()
    assert check_golden(pack, bench.backbone) == 0.0


def _edited(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = folder / "pack.json"
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


@every
def test_invariant_30_a_missing_key_another_version_and_another_order_of_classes_are_errors(
    kind: str, bench_of: BenchOf, tmp_path: Path
) -> None:
    folder = tmp_path / "pack"
    _written(kind, bench_of(kind), folder)
    whole = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    tensors = load_file(folder / "adapter.safetensors")
    for gone in tensors:
        (folder / "adapter.safetensors").write_bytes(
            save({name: value for name, value in tensors.items() if name != gone})
        )
        sha256 = sha256_file(folder / "adapter.safetensors")
        _edited(folder, lambda document: document["files"].update({"adapter.safetensors": sha256}))  # noqa: B023
        with pytest.raises(PackError, match=r"are not those of pack\.json"):
            load_pack(folder)
    for path, data in whole.items():
        path.write_bytes(data)
    _edited(folder, lambda document: document["classes"].reverse())
    with pytest.raises(PackError, match="prompts or class names are not those"):
        load_pack(folder)
    (folder / "pack.json").write_bytes(
        whole[folder / "pack.json"].replace(b"edgeclip.pack/1", b"edgeclip.pack/2")
    )
    with pytest.raises(PackError, match="schema"):
        load_pack(folder)


@every
def test_invariant_30_another_encoder_is_an_error(
    kind: str, bench_of: BenchOf, tmp_path: Path
) -> None:
    _written(kind, bench_of(kind), tmp_path / "pack")
    vision = RESNET if MAKERS[kind].level == "stages" else VIT
    other = load_tower(tmp_path / "other", vision, seed=9)
    with pytest.raises(PackError, match="name that backbone"):
        check_golden(load_pack(tmp_path / "pack"), other)
