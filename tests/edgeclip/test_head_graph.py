from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from torch.export import Dim

from edgeclip.adapters.head_graph import HeadGraph, slot_tensors
from edgeclip.contract.slots import GRAPH_OUTPUTS, HEAD_SLOTS, filled_slots

Array = NDArray[np.float32]
SIZES = {"1": 1, "D": 12, "E": 8, "H": 5, "d": 3, "M": 4, "K": 6, "C": 7}


def _random_slots(seed: int, sizes: dict[str, int] = SIZES) -> dict[str, Array]:
    rng = np.random.default_rng(seed)
    slots = {
        name: rng.normal(size=[sizes[dim] for dim in slot.dims]).astype(np.float32)
        for name, slot in HEAD_SLOTS.items()
    }
    slots["temperature"] = np.asarray([1.7], np.float32)
    return slots


def _features(seed: int, images: int = 9) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(images, SIZES["D"])).astype(np.float32)
    return z, (z @ rng.normal(size=(SIZES["D"], SIZES["E"]))).astype(np.float32)


def _run(z: Array, f: Array, slots: dict[str, Array]) -> dict[str, Array]:
    outputs = HeadGraph()(torch.from_numpy(z), torch.from_numpy(f), *slot_tensors(slots))
    return {name: output.numpy() for name, output in zip(GRAPH_OUTPUTS, outputs, strict=True)}


def _softmax(x: NDArray[np.float64]) -> NDArray[np.float64]:
    powers = np.exp(x - x.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def _formula(z: Array, f: Array, slots: dict[str, Array]) -> dict[str, NDArray[np.float64]]:
    """The adapters page's section 3, an image at a time, in float64."""
    s = {name: value.astype(np.float64) for name, value in slots.items()}
    base = np.stack([row / np.sqrt(row @ row) for row in f.astype(np.float64)])
    features = []
    for z_row, f_row in zip(z.astype(np.float64), f.astype(np.float64), strict=True):
        row = f_row + z_row @ s["projection_delta"]
        length = np.sqrt(row @ row)
        hidden = np.maximum(row / length @ s["va_down"], 0)
        weights = _softmax((row / length @ s["xm_q"] @ s["xm_k"])[None])[0]
        shift = s["va_ratio"] * (hidden @ s["va_up"]) + s["xm_ratio"] * (weights @ s["xm_v"])
        row = row + length * shift
        features.append(row / max(np.sqrt(row @ row), 1e-6))
    adapted = np.stack(features)
    logits = s["logit_scale"] * (adapted @ s["class_weights"]) + s["class_bias"]
    affinity = np.exp(-s["beta"] * (1 - adapted @ s["cache_keys"]))
    logits = logits + s["alpha"] * (affinity @ s["cache_values"])
    probabilities = _softmax(logits / s["temperature"])
    return dict(zip(GRAPH_OUTPUTS, (adapted, base, logits, probabilities), strict=True))


@pytest.mark.parametrize("seed", range(5))
def test_the_head_equals_an_independent_formula_in_numpy(seed: int) -> None:
    z, f = _features(seed)
    slots = _random_slots(seed + 100)
    expected = _formula(z, f, slots)
    for name, output in _run(z, f, slots).items():
        scale = max(1.0, float(np.abs(expected[name]).max()))
        np.testing.assert_allclose(output / scale, expected[name] / scale, atol=2e-6, err_msg=name)


def test_neutral_slots_leave_the_features_bit_for_bit() -> None:
    z, f = _features(0)
    weights = _random_slots(0)["class_weights"]
    given = {"class_weights": weights, "logit_scale": np.asarray([10], np.float32)}
    outputs = _run(z, f, filled_slots(given, width=SIZES["D"], embed_dim=SIZES["E"]))
    np.testing.assert_array_equal(outputs["image_features"], outputs["base_embedding"])
    expected = 10 * (torch.from_numpy(outputs["base_embedding"]) @ torch.from_numpy(weights))
    np.testing.assert_array_equal(outputs["logits"], expected.numpy())


def test_the_base_embedding_is_before_every_adapter() -> None:
    z, f = _features(1)
    first, second = (_run(z, f, _random_slots(seed))["base_embedding"] for seed in (1, 2))
    np.testing.assert_array_equal(first, second)


def test_ratio_zero_is_bitwise_the_same_for_any_adapter_weights() -> None:
    z, f = _features(2)
    slots = _random_slots(2) | {name: np.zeros(1, np.float32) for name in ("va_ratio", "xm_ratio")}
    other = _random_slots(3)
    swapped = slots | {name: other[name] for name in ("va_down", "va_up", "xm_q", "xm_k", "xm_v")}
    np.testing.assert_array_equal(_run(z, f, slots)["logits"], _run(z, f, swapped)["logits"])


def test_the_order_of_cache_entries_does_not_matter() -> None:
    z, f = _features(3)
    slots = _random_slots(4)
    order = np.random.default_rng(0).permutation(SIZES["C"])
    moved = slots | {
        "cache_keys": slots["cache_keys"][:, order],
        "cache_values": slots["cache_values"][order],
    }
    first, second = (_run(z, f, s)["logits"] for s in (slots, moved))
    np.testing.assert_allclose(first, second, rtol=1e-5, atol=1e-5)


def test_a_black_frame_without_features_gives_finite_outputs() -> None:
    zeros = np.zeros((1, SIZES["D"]), np.float32), np.zeros((1, SIZES["E"]), np.float32)
    assert all(np.isfinite(output).all() for output in _run(*zeros, _random_slots(5)).values())


def test_a_missing_slot_is_refused() -> None:
    z, f = _features(0)
    with pytest.raises(ValueError, match="shorter"):
        HeadGraph()(torch.from_numpy(z), torch.from_numpy(f), *slot_tensors(_random_slots(0))[:-1])


def test_the_head_exports_with_dynamic_sizes_and_without_transposes(tmp_path: Path) -> None:
    dims = {letter: Dim(letter) for letter in ("H", "d", "M", "K", "C")}
    dynamic = tuple(
        {axis: dims[dim] for axis, dim in enumerate(slot.dims) if dim in dims}
        for slot in HEAD_SLOTS.values()
    )
    batch = {0: Dim("B")}
    z, f = (torch.from_numpy(part) for part in _features(0))
    program = torch.export.export(
        HeadGraph(),
        (z, f, *slot_tensors(_random_slots(0))),
        dynamic_shapes={"z": batch, "f": batch, "slots": dynamic},
    )
    names = ["z", "f", *HEAD_SLOTS]
    exported = torch.onnx.export(
        program, dynamo=True, input_names=names, output_names=list(GRAPH_OUTPUTS), verbose=False
    )
    assert exported is not None
    exported.save(tmp_path / "head.onnx")
    graph = onnx.load(tmp_path / "head.onnx").graph
    assert [item.name for item in graph.input] == names
    assert "Transpose" not in {node.op_type for node in graph.node}
    shape = next(i for i in graph.input if i.name == "cache_values").type.tensor_type.shape
    assert all(dim.dim_param for dim in shape.dim), "C and K must be free"
