from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from torch.export import Dim

from edgeclip.adapters.head_graph import HeadGraph, HeadOutputs, slot_tensors
from edgeclip.contract.slots import GRAPH_OUTPUTS, HEAD_SLOTS, filled_slots

Array = NDArray[np.float32]
SIZES = {"D": 12, "E": 8, "H": 3, "d": 4, "M": 5, "K": 6, "C": 7, "1": 1}


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def _slots(rng: np.random.Generator) -> dict[str, Array]:
    slots = {
        name: rng.normal(size=[SIZES[dim] for dim in slot.dims]).astype(np.float32)
        for name, slot in HEAD_SLOTS.items()
    }
    slots["temperature"] = np.array([1.7], np.float32)
    slots["beta"] = np.array([0.8], np.float32)
    return slots


def _inputs(rng: np.random.Generator) -> tuple[Array, Array]:
    z, f = rng.normal(size=(5, SIZES["D"])), rng.normal(size=(5, SIZES["E"]))
    return z.astype(np.float32), f.astype(np.float32)


def _run(z: Array, f: Array, slots: dict[str, Array]) -> HeadOutputs:
    z_tensor, f_tensor = torch.from_numpy(z), torch.from_numpy(f)
    outputs: HeadOutputs = HeadGraph()(z_tensor, f_tensor, **slot_tensors(slots))
    return outputs


def _in_numpy(z: Array, f: Array, s: dict[str, Array]) -> tuple[Array, Array, Array]:
    """The formula of the design, written a second time in float64."""
    s64 = {name: value.astype(np.float64) for name, value in s.items()}
    moved = f.astype(np.float64) + z @ s64["projection_delta"]
    length = np.linalg.norm(moved, axis=1, keepdims=True)
    direction = moved / length
    visual = np.maximum(direction @ s64["va_down"], 0) @ s64["va_up"]
    attention = np.exp(direction @ s64["xm_q"] @ s64["xm_k"])
    attention /= attention.sum(1, keepdims=True)
    moved = moved + length * (
        s64["va_ratio"] * visual + s64["xm_ratio"] * (attention @ s64["xm_v"])
    )
    features = moved / np.linalg.norm(moved, axis=1, keepdims=True)
    cache = np.exp(-s64["beta"] * (1 - features @ s64["cache_keys"])) @ s64["cache_values"]
    logits = s64["logit_scale"] * features @ s64["class_weights"] + s64["class_bias"]
    logits = logits + s64["alpha"] * cache
    powers = np.exp((logits - logits.max(1, keepdims=True)) / s64["temperature"])
    return features, logits, powers / powers.sum(1, keepdims=True)


def test_the_graph_equals_the_formula_in_numpy(rng: np.random.Generator) -> None:
    z, f = _inputs(rng)
    slots = _slots(rng)
    features, logits, probabilities = _in_numpy(z, f, slots)
    outputs = _run(z, f, slots)
    np.testing.assert_allclose(outputs.image_features, features, atol=1e-5)
    np.testing.assert_allclose(outputs.logits, logits, atol=1e-4)
    np.testing.assert_allclose(outputs.probabilities, probabilities, atol=1e-5)


def test_neutral_slots_are_the_frozen_encoder_bit_for_bit(rng: np.random.Generator) -> None:
    z, f = _inputs(rng)
    own = {"class_weights": rng.normal(size=(8, 6)), "logit_scale": np.array([10.0])}
    own32 = {name: value.astype(np.float32) for name, value in own.items()}
    outputs = _run(z, f, filled_slots(own32, width=12, embed_dim=8))
    assert torch.equal(outputs.image_features, outputs.base_embedding)
    expected = 10 * (outputs.base_embedding @ torch.from_numpy(own32["class_weights"]))
    assert torch.equal(outputs.logits, expected)


def test_a_ratio_of_zero_silences_any_adapter(rng: np.random.Generator) -> None:
    z, f = _inputs(rng)
    slots = _slots(rng) | {
        "va_ratio": np.zeros(1, np.float32),
        "xm_ratio": np.zeros(1, np.float32),
        "projection_delta": np.zeros((12, 8), np.float32),
    }
    outputs = _run(z, f, slots)
    assert torch.equal(outputs.image_features, outputs.base_embedding)


def test_the_features_do_not_depend_on_the_length_of_f(rng: np.random.Generator) -> None:
    z, f = _inputs(rng)
    slots = _slots(rng) | {"projection_delta": np.zeros((12, 8), np.float32)}
    once, longer = _run(z, f, slots), _run(z, 16 * f, slots)
    torch.testing.assert_close(once.logits, longer.logits, atol=1e-4, rtol=0)


def test_an_image_without_features_stays_finite(rng: np.random.Generator) -> None:
    z, f = np.zeros((1, 12), np.float32), np.zeros((1, 8), np.float32)
    outputs = _run(z, f, _slots(rng))
    assert all(torch.isfinite(output).all() for output in outputs)


def test_outputs_have_unit_norm_and_probabilities_sum_to_one(rng: np.random.Generator) -> None:
    outputs = _run(*_inputs(rng), _slots(rng))
    ones = torch.ones(5)
    torch.testing.assert_close(outputs.image_features.norm(dim=1), ones)
    torch.testing.assert_close(outputs.base_embedding.norm(dim=1), ones)
    torch.testing.assert_close(outputs.probabilities.sum(1), ones)


def test_the_order_of_cache_entries_does_not_matter(rng: np.random.Generator) -> None:
    z, f = _inputs(rng)
    slots = _slots(rng)
    order = rng.permutation(SIZES["C"])
    moved = {
        "cache_keys": slots["cache_keys"][:, order],
        "cache_values": slots["cache_values"][order],
    }
    first, second = (_run(z, f, s).logits for s in (slots, slots | moved))
    torch.testing.assert_close(first, second, atol=1e-4, rtol=0)


def test_the_graph_exports_with_free_sizes_and_without_transposes(
    rng: np.random.Generator, tmp_path: Path
) -> None:
    free = {letter: Dim(letter) for letter in ("H", "d", "M", "K", "C")}
    dims = {
        name: {axis: free[dim] for axis, dim in enumerate(slot.dims) if dim in free}
        for name, slot in HEAD_SLOTS.items()
    }
    z, f = (torch.from_numpy(part) for part in _inputs(rng))
    program = torch.export.export(
        HeadGraph(),
        (z, f),
        slot_tensors(_slots(rng)),
        dynamic_shapes={"z": {0: Dim("B")}, "f": {0: Dim("B")}, **dims},
    )
    exported = torch.onnx.export(
        program, dynamo=True, output_names=list(GRAPH_OUTPUTS), verbose=False
    )
    assert exported is not None
    exported.save(tmp_path / "head.onnx")
    graph = onnx.load(tmp_path / "head.onnx").graph
    assert [item.name for item in graph.input] == ["z", "f", *HEAD_SLOTS]
    assert "Transpose" not in {node.op_type for node in graph.node}
    values = next(item for item in graph.input if item.name == "cache_values")
    assert all(dim.dim_param for dim in values.type.tensor_type.shape.dim), "C and K are free"
