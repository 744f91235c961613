from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from edgeclip.registry.folder import find_pack, read_registry
from edgeclip.registry.index import read_index, write_index
from support.commands import Run
from support.tiny_packs import TinyEncoder


def _train(encoder: TinyEncoder, table: Path, packs: Path, task: str, *more: str) -> list[object]:
    return [
        "train", "--data", table, "--packs", packs, "--task", task, "--backbone", encoder.config,
        "--pretrained", encoder.weights, "--method", "head", "--steps", "10", "--views", "1",
        "--folds", "2", "--cache", packs.parent / "cache", *more,
    ]  # fmt: skip


def _bits(folder: Path) -> dict[str, str]:
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.slow
def test_a_second_task_leaves_the_first_bit_for_bit_and_a_known_one_goes_on(
    run: Run, encoder: TinyEncoder, table: Path, tmp_path: Path
) -> None:
    packs = tmp_path / "packs"
    first = run(*_train(encoder, table, packs, "leopard", "--target", "leopard"))
    assert first.code == 0, first.err
    assert "leopard is new here" in first.err
    before = _bits(packs / "leopard")
    write_index(packs)
    second = run(*_train(encoder, table, packs, "zebra", "--target", "zebra"))
    assert second.code == 0, second.err
    assert "zebra is new here, beside leopard" in second.err
    likeness, following = second.out.splitlines()[-2:]
    assert "looks like the images of leopard" in likeness
    assert following.startswith("next: edgeclip-export bundle")
    assert _bits(packs / "leopard") == before
    third = run(
        *_train(
            encoder, table, packs, "leopard", "--target", "leopard", "--method", "visual", "--json"
        )
    )
    assert third.code == 0, third.err
    assert json.loads(third.out)["version"] == "1.1.0"
    assert "it goes on from leopard@1.0.0" in third.err
    held = read_registry(packs)
    assert find_pack(held, "leopard").parent(held) == "leopard@1.0.0"
    assert _bits(packs / "leopard/1.0.0") == before
    assert len(read_index(packs.as_uri()).packs) == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "name --out, or --packs with --task"),
        (["--packs", "p"], "name it with --task"),
        (["--packs", "p", "--out", "o", "--task", "t"], "name --out, or --packs with --task"),
    ],
)
def test_a_pack_has_one_place(run: Run, options: list[str], message: str) -> None:
    ended = run("train", "--data", "none", "--backbone", "demo", *options)
    assert (ended.code, message in ended.err) == (2, True)
