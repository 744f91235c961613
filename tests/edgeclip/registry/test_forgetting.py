"""Five tasks, one after the other, by the command that people use: none touches another."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edgeclip.combining import combine
from edgeclip.contract.routing import pack_logits
from edgeclip.packs import load_pack
from support.commands import Run
from support.tiny_packs import EMBED_DIM, TinyEncoder

TASKS = ("leopard", "night", "forest", "scrub", "ridge")


def _bits(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _logits(pack: Path) -> NDArray[np.float32]:
    """Return what a pack says of features that no training saw."""
    base = np.random.default_rng(0).normal(size=(50, EMBED_DIM)).astype(np.float32)
    base /= np.linalg.norm(base, axis=1, keepdims=True)
    return pack_logits(load_pack(pack).tensors, base)


def _other_places(table: Path, out: Path, number: int) -> Path:
    """Write the table without one place, so that each task has images of its own."""
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    left = sorted({row["location"] for row in rows})[number]
    with out.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(row for row in rows if row["location"] != left)
    return out


@pytest.mark.slow
def test_five_tasks_forget_nothing_by_hash_and_by_outputs_and_grow_by_their_packs_alone(
    run: Run, encoder: TinyEncoder, table: Path, tmp_path: Path
) -> None:
    packs = tmp_path / "packs"
    bits: dict[str, str] = {}
    said: dict[str, NDArray[np.float32]] = {}
    for number, task in enumerate(TASKS):
        own = _other_places(table, tmp_path / f"{task}.csv", number)
        before = _size(packs)
        ended = run(
            "train", "--data", own, "--data-dir", table.parent, "--packs", packs, "--task", task,
            "--target", "leopard", "--backbone", encoder.config, "--pretrained", encoder.weights,
            "--method", "gda", "--views", "1", "--folds", "2", "--cache", tmp_path / "cache",
        )  # fmt: skip
        assert ended.code == 0, ended.err
        assert f"{task} is new here" in ended.err
        now = _bits(packs)
        assert {name: now[name] for name in bits} == bits
        assert {name.split("/")[0] for name in set(now) - set(bits)} == {task}
        assert _size(packs) - before == _size(packs / task)
        for other, logits in said.items():
            np.testing.assert_array_equal(_logits(packs / other / "1.0.0"), logits)
        bits, said = now, said | {task: _logits(packs / task / "1.0.0")}
    assert len({logits.tobytes() for logits in said.values()}) == len(TASKS)
    combine([packs / task / "1.0.0" for task in TASKS], tmp_path / "set", {}, k=2)
    assert _bits(packs) == bits
    for task, logits in said.items():
        np.testing.assert_array_equal(_logits(tmp_path / "set/packs" / task), logits)
