from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from edgeclip.contract.slots import (
    ALL_SLOTS,
    DEEP_SLOTS,
    HEAD_SLOTS,
    filled_deep_slots,
    filled_slots,
    graph_of,
)
from edgeclip.errors import PackError

Tensors = dict[str, NDArray[np.float32]]
LEAST: Tensors = {
    "class_weights": np.ones((4, 3), np.float32),
    "logit_scale": np.ones(1, np.float32),
}


def _filled(tensors: Tensors, blocks: int) -> Tensors:
    return filled_deep_slots(LEAST | tensors, width=8, embed_dim=4, blocks=blocks)


def test_a_deep_graph_takes_the_slots_of_the_head_and_more() -> None:
    assert list(ALL_SLOTS) == [*HEAD_SLOTS, *DEEP_SLOTS]
    assert list(_filled({}, 12)) == list(ALL_SLOTS)


@pytest.mark.parametrize(("blocks", "adapted", "cross"), [(12, 8, 4), (6, 6, 4), (2, 2, 2)])
def test_as_many_blocks_take_adapters_as_there_are_up_to_eight_and_four(
    blocks: int, adapted: int, cross: int
) -> None:
    filled = _filled({}, blocks)
    assert filled["ba_down"].shape == (adapted, 8, 1)
    assert filled["bx_vo"].shape == (cross, 1, 8)
    assert filled["cp_score"].shape == (4, 3)
    assert not any(filled[name].any() for name in DEEP_SLOTS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ba_down": np.ones((8, 8, 2), np.float32)}, "ba_down has shape"),
        ({"bx_qk": np.ones((4, 8, 5)), "bx_vo": np.ones((4, 6, 8))}, "bx_vo has shape"),
        ({"cp_attend": np.ones((4, 2), np.float32)}, "cp_attend has shape"),
        ({"ba_up": np.full((6, 2, 8), np.inf, np.float32)}, "not finite"),
        ({"xx": np.ones(1, np.float32)}, "no slot takes: xx"),
    ],
    ids=["blocks of another tower", "two numbers of tokens", "columns", "infinite", "surplus"],
)
def test_tensors_that_do_not_fit_the_tower_are_refused(change: Tensors, message: str) -> None:
    with pytest.raises(PackError, match=message):
        _filled(change, 6)


def test_a_tower_without_blocks_takes_no_deep_pack() -> None:
    with pytest.raises(PackError, match="transformer blocks, which this encoder does not have"):
        _filled({}, 0)


@pytest.mark.parametrize("deep", [True, False])
def test_a_pack_that_changes_the_encoders_weights_is_refused_in_one_line(deep: bool) -> None:
    baked: Tensors = {"delta.ln_post.weight": np.ones(8, np.float32)}
    with pytest.raises(PackError, match="changes weights of the encoder") as caught:
        _ = _filled(baked, 6) if deep else filled_slots(LEAST | baked, width=8, embed_dim=4)
    assert "\n" not in str(caught.value)


def test_a_head_graph_takes_no_deep_slot() -> None:
    deep = LEAST | {"cp_score": np.ones((4, 3), np.float32)}
    assert (graph_of(deep), graph_of(LEAST)) == ("deep", "head")
    with pytest.raises(PackError, match="no slot takes: cp_score"):
        filled_slots(deep, width=8, embed_dim=4)
