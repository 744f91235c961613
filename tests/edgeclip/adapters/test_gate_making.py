from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from edgeclip.adapters.gate_making import learn_gate
from edgeclip.adapters.router import GateSettings, TrainedGate
from edgeclip.contract.gate import GATE_FILE, GATE_TENSORS_FILE
from edgeclip.contract.routing import Gate, RouterRow, top_k_gate
from edgeclip.errors import ConfigError

E = 12
HASHES = ["1" * 64, "2" * 64, "3" * 64]
ENCODER = "a" * 64


def _unit(rng: np.random.Generator, rows: int, towards: int | None = None) -> NDArray[np.float32]:
    drawn = rng.normal(size=(rows, E))
    if towards is not None:
        drawn[:, towards] += 6
    return np.asarray(drawn / np.linalg.norm(drawn, axis=1, keepdims=True), np.float32)


def _rows(**static: str) -> list[RouterRow]:
    rng = np.random.default_rng(0)
    named = enumerate(("a", "b", "c"))
    return [
        RouterRow(name, _unit(rng, 8, place), 5.0, 0.4, static if name == "c" else {})
        for place, name in named
    ]


@pytest.mark.parametrize("k", [1, 2, 3])
def test_parity_the_gate_in_torch_and_in_the_contract_s_numpy(k: int) -> None:
    rng = np.random.default_rng(1)
    torch_gate = TrainedGate(torch.from_numpy(_unit(rng, 3)), 7.0)
    torch_gate.bias.data = torch.tensor([0.1, -0.2, 0.3])
    base = _unit(rng, 40)
    gate = Gate(torch_gate.keys.detach().numpy(), 7.0, torch_gate.bias.detach().numpy(), k)
    expected = torch_gate(torch.from_numpy(base), k).detach().numpy()
    np.testing.assert_allclose(top_k_gate(gate.scores(base), k), expected, atol=1e-5)


def test_prototypes_go_to_their_own_packs() -> None:
    learned = learn_gate(_rows(), HASHES, base_sha256=ENCODER)
    assert (learned.right, learned.samples) == (24, 24)
    assert [row.samples for row in learned.stored.manifest.packs] == [8, 8, 8]


def test_images_that_a_pack_carries_teach_more_than_its_prototypes() -> None:
    rng = np.random.default_rng(3)
    rows = [replace(row, samples=_unit(rng, 30, place)) for place, row in enumerate(_rows())]
    learned = learn_gate(rows, HASHES, base_sha256=ENCODER)
    assert {(row.samples, row.taught_by) for row in learned.stored.manifest.packs} == {
        (30, "images")
    }
    other = learn_gate(_rows(), HASHES, base_sha256=ENCODER)
    assert not np.array_equal(learned.stored.keys, other.stored.keys)


def test_the_same_packs_give_the_same_files() -> None:
    one, other = (learn_gate(_rows(), HASHES, base_sha256=ENCODER) for _ in range(2))
    assert one.files == other.files
    assert set(one.files) == {GATE_FILE, GATE_TENSORS_FILE}


def test_packs_that_static_keys_choose_get_no_row() -> None:
    learned = learn_gate(_rows(light="infrared"), HASHES, base_sha256=ENCODER)
    assert [row.name for row in learned.stored.manifest.packs] == ["a", "b"]


def test_nothing_to_choose_between_and_too_large_a_k_are_refused() -> None:
    with pytest.raises(ConfigError, match="here that is a: name two or more"):
        learn_gate(_rows()[:1], HASHES[:1], base_sha256=ENCODER)
    with pytest.raises(ConfigError, match="--top-k 4: the gate chooses between 3 packs"):
        learn_gate(_rows(), HASHES, base_sha256=ENCODER, settings=GateSettings(k=4))
    with pytest.raises(ConfigError, match="the same pack stands twice"):
        learn_gate(_rows(), ["1" * 64] * 3, base_sha256=ENCODER)
