from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from numpy.typing import NDArray

from edgeclip.adapters.model import run_head
from edgeclip.contract.routing import (
    RouterRow,
    choose,
    gate_scores,
    pack_logits,
    routed_logits,
    top_k_gate,
)
from edgeclip.errors import PackError

Array = NDArray[np.float32]
E, K = 8, 3
NOTHING: Mapping[str, str] = {}


def _unit(rng: np.random.Generator, rows: int) -> Array:
    drawn = rng.normal(size=(rows, E))
    return np.asarray(drawn / np.linalg.norm(drawn, axis=1, keepdims=True), np.float32)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def _pack(rng: np.random.Generator) -> dict[str, Array]:
    shapes = {
        "va_down": (E, 4), "va_up": (4, E), "va_ratio": (1,), "xm_q": (E, 2), "xm_k": (2, 5),
        "xm_v": (5, E), "xm_ratio": (1,), "class_weights": (E, K), "class_bias": (K,),
        "cache_keys": (E, 6), "cache_values": (6, K), "alpha": (1,),
    }  # fmt: skip
    drawn = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    beta, scale = np.array([1.5], np.float32), np.array([10.0], np.float32)
    return {**drawn, "beta": beta, "logit_scale": scale}


def _zero_shot(rng: np.random.Generator) -> dict[str, Array]:
    return {"class_weights": _unit(rng, K).T.copy(), "logit_scale": np.array([10.0], np.float32)}


def _row(name: str, key: Array, *, threshold: float = 0.1, **static: str) -> RouterRow:
    return RouterRow(name, key[None], scale=5.0, threshold=threshold, static=static)


def test_a_pack_evaluated_from_base_embeddings_equals_the_graph(rng: np.random.Generator) -> None:
    pack, base = _pack(rng), _unit(rng, 9)
    graph = run_head(np.zeros((9, 4), np.float32), 3 * base, pack).logits.numpy()
    np.testing.assert_allclose(pack_logits(pack, base), graph, atol=2e-5)


def test_invariant_27_gates_sum_to_one_with_exactly_k_non_zeros(rng: np.random.Generator) -> None:
    for k in (1, 2, 4):
        gate = top_k_gate(rng.normal(size=(50, 4)), k)
        np.testing.assert_allclose(gate.sum(axis=1), 1.0, atol=1e-12)
        assert ((gate > 0).sum(axis=1) == k).all()


def test_invariant_27_ties_go_to_the_first(rng: np.random.Generator) -> None:
    assert top_k_gate(np.zeros((2, 3)), 1).tolist() == [[1, 0, 0], [1, 0, 0]]
    key = _unit(rng, 1)
    assert choose([_row("a", key[0]), _row("b", key[0])], key, [NOTHING]) == [0]


def test_invariant_27_one_pack_is_that_pack(rng: np.random.Generator) -> None:
    pack, base = _pack(rng), _unit(rng, 5)
    chosen = choose([_row("only", base[0], threshold=2.0)], base, [NOTHING] * 5)
    routed = routed_logits([pack], _zero_shot(rng), base, chosen)
    np.testing.assert_array_equal(routed, pack_logits(pack, base))


def test_invariant_27_sparse_equals_the_dense_sum_over_all_packs(rng: np.random.Generator) -> None:
    packs, base = [_pack(rng) for _ in range(3)], _unit(rng, 12)
    rows = [_row(str(p), key, threshold=2.0) for p, key in enumerate(_unit(rng, 3))]
    chosen = choose(rows, base, [NOTHING] * 12)
    assert len(set(chosen)) > 1
    gate = top_k_gate(gate_scores(rows, base), 1)
    dense = np.einsum("bp,pbk->bk", gate, np.stack([pack_logits(pack, base) for pack in packs]))
    sparse = routed_logits(packs, _zero_shot(rng), base, chosen)
    np.testing.assert_allclose(sparse, dense, atol=1e-6)


def test_invariant_27_an_image_far_from_all_packs_gets_zero_shot_bit_for_bit(
    rng: np.random.Generator,
) -> None:
    key, zero_shot = _unit(rng, 1), _zero_shot(rng)
    chosen = choose([_row("near", key[0])], np.concatenate([key, -key]), [NOTHING] * 2)
    assert chosen == [0, None]
    routed = routed_logits([_pack(rng)], zero_shot, np.concatenate([key, -key]), chosen)
    np.testing.assert_array_equal(routed[1:], pack_logits(zero_shot, -key))


def test_static_keys_come_before_prototypes_and_the_most_specific_first(
    rng: np.random.Generator,
) -> None:
    key = _unit(rng, 1)
    rows = [
        _row("looks alike", key[0]),
        _row("this place", -key[0], deployment="dep01"),
        _row("this place at night", -key[0], deployment="dep01", light="infrared"),
    ]
    facts = [{"deployment": "dep01"}, {"deployment": "dep01", "light": "infrared"}, {"light": "x"}]
    assert choose(rows, np.repeat(key, 3, axis=0), facts) == [1, 2, 0]


def test_a_pack_of_another_place_is_not_chosen_by_its_looks(rng: np.random.Generator) -> None:
    key = _unit(rng, 1)
    assert choose([_row("there", key[0], deployment="dep02")], key, [NOTHING]) == [None]


def test_packs_that_cannot_be_evaluated_here_say_why(rng: np.random.Generator) -> None:
    base = _unit(rng, 2)
    moved = _pack(rng) | {"projection_delta": np.ones((4, E), np.float32)}
    with pytest.raises(PackError, match="choose it by static keys"):
        pack_logits(moved, base)
    with pytest.raises(PackError, match="changes the encoder's weights shares no graph"):
        pack_logits(_pack(rng) | {"delta.ln_post.weight": np.ones(4, np.float32)}, base)
    with pytest.raises(PackError, match="no slot takes: ba_down"):
        pack_logits(_pack(rng) | {"ba_down": np.ones((8, 4, 2), np.float32)}, base)
    narrow = {**_zero_shot(rng), "class_weights": np.ones((E, 2), np.float32)}
    with pytest.raises(PackError, match="pack 0 has 2 columns, zero-shot 3"):
        routed_logits([narrow], _zero_shot(rng), base, [0, None])


@pytest.mark.parametrize(
    ("keys", "scale", "threshold"),
    [(np.ones(E), 1.0, 0.1), (np.ones((1, E)), 0.0, 0.1), (np.ones((1, E)), 1.0, 3.0),
     (np.full((1, E), np.nan), 1.0, 0.1), (np.ones((0, E)), 1.0, 0.1)],
    ids=["shape", "scale", "threshold", "nan", "empty"],
)  # fmt: skip
def test_a_row_that_cannot_route_is_refused(
    keys: NDArray[np.float64], scale: float, threshold: float
) -> None:
    with pytest.raises(PackError, match="router row of a: keys"):
        RouterRow("a", keys.astype(np.float32), scale, threshold)


@pytest.mark.parametrize("samples", [np.ones(E), np.ones((2, E + 1)), np.full((1, E), np.nan)])
def test_a_row_whose_samples_are_none_is_refused(samples: NDArray[np.float64]) -> None:
    keys = np.ones((1, E), np.float32)
    with pytest.raises(PackError, match="router row of a: samples"):
        RouterRow("a", keys, 1.0, 0.1, samples=samples.astype(np.float32))


def test_k_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match=r"k 4 is not in 1\.\.3"):
        top_k_gate(np.zeros((1, 3)), 4)


def test_the_stored_tensors_are_float32_by_name(rng: np.random.Generator) -> None:
    stored = _row("a", _unit(rng, 1)[0]).tensors()
    assert {name: value.shape for name, value in stored.items()} == {
        "router_keys": (1, E), "router_scale": (1,), "router_threshold": (1,),
    }  # fmt: skip
    assert all(value.dtype == np.float32 for value in stored.values())
