from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edgeclip.contract.gate import GATE_FILE, GATE_TENSORS_FILE, StoredGate, read_gate
from edgeclip.contract.routing import Gate, RouterRow, choose, share_out
from edgeclip.errors import PackError
from edgeclip.tensor_file import read_tensors
from support.gates import ENCODER, Tensors, gate_of, write_gate

A, B = "1" * 64, "2" * 64
PACKS = (("a", A), ("b", B))
TENSORS = gate_of([[1, 0, 0], [0, 1, 0]])
ROW = {"name": "a", "sha256": A, "samples": 1, "taught_by": "images"}
NOTHING: Mapping[str, str] = {}


def _read(folder: Path) -> StoredGate:
    return read_gate(folder, read_tensors, base_sha256=ENCODER, embed_dim=3)


def _row(name: str, key: list[float], *, threshold: float = 2.0, **static: str) -> RouterRow:
    unit = np.array([key], np.float32)
    unit /= np.linalg.norm(unit)
    return RouterRow(name, unit, scale=5.0, threshold=threshold, static=static)


def _base(*rows: list[float]) -> NDArray[np.float32]:
    found = np.array(rows, np.float32)
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), np.float32)


ROWS = [_row("a", [1, 0, 0]), _row("b", [0, 1, 0])]
TURNED = Gate(np.eye(3, dtype=np.float32)[[1, 0]], 4.0, np.zeros(2, np.float32))


def test_a_gate_chooses_where_prototypes_would_have_chosen_another() -> None:
    base = _base([1, 0.2, 0], [0.2, 1, 0])
    assert choose(ROWS, base, [NOTHING] * 2) == [0, 1]
    assert choose(ROWS, base, [NOTHING] * 2, TURNED) == [1, 0]


def test_static_keys_go_before_a_gate_and_their_packs_are_not_chosen_by_it() -> None:
    rows = [_row("a", [1, 0, 0], light="infrared"), ROWS[1]]
    base = _base([0, 1, 0])
    assert choose(rows, base, [{"light": "infrared"}], TURNED) == [0]
    assert choose(rows, base, [{"light": "day"}], TURNED) == [1]


def test_a_gate_chooses_between_packs_within_their_thresholds_alone() -> None:
    rows = [_row("a", [1, 0, 0], threshold=0.1), _row("b", [0, 1, 0], threshold=0.1)]
    assert choose(rows, _base([1, 0, 0], [0, 1, 0], [0, 0, 1]), [NOTHING] * 3, TURNED) == [
        0, 1, None,
    ]  # fmt: skip


def test_several_packs_weigh_by_the_softmax_of_their_scores() -> None:
    gate = Gate(TURNED.keys, 4.0, np.array([0.5, 0], np.float32), k=2)
    base = _base([0.6, 0.8, 0])
    ((first, large), (second, small)) = share_out(ROWS, base, [NOTHING], gate)[0]
    scores = [4 * 0.8 + 0.5, 4 * 0.6]
    expected = math.exp(scores[0]) / (math.exp(scores[0]) + math.exp(scores[1]))
    assert (first, second) == (0, 1)
    assert large == pytest.approx(expected, abs=1e-6)
    assert large + small == pytest.approx(1)


def test_of_several_packs_only_those_that_are_near_answer() -> None:
    gate = Gate(TURNED.keys, 4.0, np.zeros(2, np.float32), k=2)
    rows = [ROWS[0], _row("b", [0, 1, 0], threshold=0.05)]
    assert share_out(rows, _base([1, 0.2, 0]), [NOTHING], gate) == [((0, 1.0),)]


def test_what_was_written_is_read_in_the_order_of_the_packs(tmp_path: Path) -> None:
    stored = _read(write_gate(tmp_path, PACKS, TENSORS, k=2))
    gate = stored.for_packs([ROWS[1], ROWS[0]], [B, A], "set")
    np.testing.assert_array_equal(gate.keys, TENSORS["gate_keys"][[1, 0]])
    assert (gate.k, gate.scale) == (2, 10.0)


def test_a_gate_may_know_more_packs_than_there_are(tmp_path: Path) -> None:
    stored = _read(write_gate(tmp_path, PACKS, TENSORS))
    assert stored.for_packs([ROWS[1]], [B], "set").keys.shape == (1, 3)


def test_a_pack_without_a_row_is_refused_unless_static_keys_choose_it(tmp_path: Path) -> None:
    stored = _read(write_gate(tmp_path, PACKS, TENSORS))
    with pytest.raises(PackError, match=r"set: the learned gate has no row for this c: put"):
        stored.for_packs([*ROWS, _row("c", [0, 0, 1])], [A, B, "3" * 64], "set")
    kept = stored.for_packs([*ROWS, _row("c", [0, 0, 1], light="day")], [A, B, "3" * 64], "set")
    assert kept.keys.shape == (3, 3)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"schema": "edgeclip.gate/2"}, r"format is edgeclip\.gate/2, .*: update edgeclip on"),
        ({"schema": "edgeclip.gate/0"}, r"format is edgeclip\.gate/0, .*: put the set together"),
        ({"schema": "edgeclip.pack/1"}, "schema"),
        ({"k": 0}, "k: Input should be greater than or equal to 1"),
        ({"k": 3}, "k is 3, and there are 2 packs"),
        ({"packs": []}, "packs: List should have at least 2 items"),
        ({"packs": [ROW] * 2}, "a pack has two rows"),
        ({"packs": [ROW | {"name": "../a"}] * 2}, "is not 1 to 32 letters"),
        ({"packs": [ROW | {"taught_by": "test images"}] * 2}, "taught_by"),
        ({"kay": 2}, "kay is not known"),
        ({"base_sha256": "b" * 64}, "is of another encoder"),
        ({"tensors_sha256": "0" * 64}, r"was altered or cut short \(SHA-256 differs\)"),
    ],
)  # fmt: skip
def test_a_gate_that_says_something_else_is_refused(
    tmp_path: Path, fields: dict[str, object], message: str
) -> None:
    write_gate(tmp_path, PACKS, TENSORS)
    content = json.loads((tmp_path / GATE_FILE).read_text())
    (tmp_path / GATE_FILE).write_text(json.dumps(content | fields))
    with pytest.raises(PackError, match=message):
        _read(tmp_path)


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        (gate_of([[1, 0, 0]]), r"keys \(1, 3\).* expected \(2, 3\), \(1,\), \(2,\)"),
        (gate_of([[1, 0], [0, 1]]), r"keys \(2, 2\)"),
        ({**TENSORS, "gate_bias": np.zeros((2, 1), np.float32)}, r"bias \(2, 1\)"),
        ({**TENSORS, "gate_bias": np.array([0, np.nan], np.float32)}, "gate_bias is not finite"),
        ({**TENSORS, "gate_scale": np.array([np.inf], np.float32)}, "gate_scale is not finite"),
        ({**TENSORS, "gate_scale": np.zeros(1, np.float32)}, "gate_scale is not above 0"),
        ({**TENSORS, "gate_keys": np.eye(3)[:2]}, "gate_keys is not finite float32"),
        ({"gate_keys": TENSORS["gate_keys"]}, "holds gate_keys; a gate is gate_keys, gate_scale"),
        ({**TENSORS, "more": TENSORS["gate_bias"]}, "more; a gate is"),
    ],
)  # fmt: skip
def test_tensors_that_are_no_gate_are_refused(
    tmp_path: Path, tensors: Tensors, message: str
) -> None:
    with pytest.raises(PackError, match=message):
        _read(write_gate(tmp_path, PACKS, tensors))


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        (GATE_FILE, None, "cannot be read .*: copy the gate again"),
        (GATE_FILE, b"", "Invalid JSON"),
        (GATE_FILE, b"\xff\xfe", "Invalid JSON|valid"),
        (GATE_FILE, b"[]", "the document"),
        (GATE_FILE, b" " * 1_000_001, "is larger than 1 MB: it is no gate"),
        (GATE_TENSORS_FILE, None, "is missing or unreadable"),
        (GATE_TENSORS_FILE, b"cut", "was altered or cut short"),
    ],
    ids=["none", "empty", "no text", "a list", "huge", "no tensors", "other tensors"],
)
def test_files_that_are_no_gate_are_refused(
    tmp_path: Path, file: str, content: bytes | None, message: str
) -> None:
    write_gate(tmp_path, PACKS, TENSORS)
    (tmp_path / file).unlink()
    if content is not None:
        (tmp_path / file).write_bytes(content)
    with pytest.raises(PackError, match=message):
        _read(tmp_path)


def test_a_gate_that_is_nested_too_deeply_is_refused(tmp_path: Path) -> None:
    folder = write_gate(tmp_path / "gate", PACKS, TENSORS)
    (folder / GATE_FILE).write_text("[" * 200_000)
    with pytest.raises(PackError, match=GATE_FILE):
        _read(folder)
