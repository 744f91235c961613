from __future__ import annotations

import re

import numpy as np
import pytest

from edgeclip.contract.profiles import (
    MOST_IMAGES,
    check_pack_fits,
    default_profiles,
    input_shapes,
)
from edgeclip.contract.slots import HEAD_SLOTS, filled_slots
from edgeclip.errors import ConfigError, PackError


def _filled(columns: int) -> dict[str, np.typing.NDArray[np.float32]]:
    weights = np.zeros((4, columns), np.float32)
    scale = np.ones(1, np.float32)
    return filled_slots({"class_weights": weights, "logit_scale": scale}, width=8, embed_dim=4)


def test_every_free_dimension_has_a_profile_that_holds_a_neutral_pack() -> None:
    free = {letter for slot in HEAD_SLOTS.values() for letter in slot.dims} - {"1", "D", "E"}
    assert set(default_profiles()) == free | {"B"}
    check_pack_fits(_filled(2), default_profiles())


def test_a_pack_with_too_many_columns_is_refused_by_name_and_number() -> None:
    with pytest.raises(
        PackError, match=re.escape("class_weights has 65 columns (K), an engine of this bundle")
    ):
        check_pack_fits(_filled(65), default_profiles())


@pytest.mark.parametrize("images", [1, 0, -1, MOST_IMAGES + 1])
def test_a_batch_out_of_range_is_refused(images: int) -> None:
    with pytest.raises(ConfigError, match=f"--max-batch is {images}: give 2 to 64"):
        default_profiles(images)


def test_an_inputs_shapes_take_free_dimensions_from_the_profiles() -> None:
    profiles = default_profiles(max_batch=2)
    assert input_shapes("images", profiles, (-1, 32, 32, 3)) == (
        (1, 32, 32, 3),
        (1, 32, 32, 3),
        (2, 32, 32, 3),
    )
    assert input_shapes("class_weights", profiles, (4, -1)) == ((4, 1), (4, 8), (4, 64))
    assert input_shapes("alpha", profiles, (1,)) == ((1,), (1,), (1,))


def test_a_free_dimension_without_a_profile_is_refused() -> None:
    with pytest.raises(ConfigError, match="dimension 'E' is free"):
        input_shapes("class_weights", default_profiles(), (-1, -1))
