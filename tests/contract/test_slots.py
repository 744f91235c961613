from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from edgeclip.contract.slots import HEAD_SLOTS, filled_slots
from edgeclip.errors import PackError

Tensors = dict[str, NDArray[np.float32]]


def _least() -> Tensors:
    return {"class_weights": np.ones((4, 3), np.float32), "logit_scale": np.ones(1, np.float32)}


def test_absent_slots_get_their_neutral_value_and_a_fitting_shape() -> None:
    filled = filled_slots(_least(), width=8, embed_dim=4)
    assert list(filled) == list(HEAD_SLOTS)
    assert filled["projection_delta"].shape == (8, 4)
    assert filled["class_bias"].tolist() == [0, 0, 0]
    assert filled["cache_values"].shape == (1, 3)
    assert filled["temperature"].tolist() == [1]
    assert not filled["va_up"].any()


def test_a_packs_own_tensors_are_kept() -> None:
    tensors = _least() | {
        "va_down": np.full((4, 2), 2, np.float32),
        "va_up": np.full((2, 4), 3, np.float32),
    }
    filled = filled_slots(tensors, width=8, embed_dim=4)
    assert filled["va_down"].tolist() == [[2, 2]] * 4
    assert all(tensor.dtype == np.float32 for tensor in filled.values())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"surprise": np.ones(1, np.float32)}, "no slot takes: surprise"),
        ({"class_weights": np.ones((5, 3), np.float32)}, "class_weights has shape"),
        ({"class_bias": np.ones(4, np.float32)}, "class_bias has shape"),
        ({"va_up": np.ones((2, 4), np.float32), "va_down": np.ones((4, 3), np.float32)}, "va_"),
        ({"class_weights": np.full((4, 3), np.nan, np.float32)}, "not finite"),
    ],
    ids=["surplus", "other embedding", "other columns", "two hidden sizes", "not a number"],
)
def test_tensors_that_do_not_fit_are_refused(change: Tensors, message: str) -> None:
    with pytest.raises(PackError, match=message):
        filled_slots(_least() | change, width=8, embed_dim=4)


def test_a_pack_without_a_class_matrix_is_refused() -> None:
    with pytest.raises(PackError, match="lacks class_weights"):
        filled_slots({"logit_scale": np.ones(1, np.float32)}, width=8, embed_dim=4)
