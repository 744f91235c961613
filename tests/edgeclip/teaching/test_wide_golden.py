"""Golden outputs of a wider pack out of those of the pack below, beside torch's own."""

from __future__ import annotations

import numpy as np
import pytest

from edgeclip.clip import Backbone
from edgeclip.packs import golden_outputs
from edgeclip.teaching.wide_golden import wide_golden
from support.tiny_packs import SIZE, random_tensors

COLUMNS = 4
CACHE = ("cache_keys", "cache_values", "alpha", "beta")


@pytest.mark.parametrize("slots", [(), CACHE], ids=["a class matrix alone", "a cache beside it"])
def test_parity_golden_outputs_with_a_column_more_are_those_of_torch(
    backbone: Backbone, slots: tuple[str, ...]
) -> None:
    wide = random_tensors(3, columns=COLUMNS, names=("class_bias", *slots))
    wide |= {"temperature": np.array([1.7], np.float32)}
    by_class = {"class_weights", "class_bias", "cache_values"}
    below = {name: own[..., :-1] if name in by_class else own for name, own in wide.items()}
    images = np.random.default_rng(3).integers(0, 256, (3, SIZE, SIZE, 3), np.uint8)
    found = wide_golden(golden_outputs(images, backbone, below), wide)
    expected = golden_outputs(images, backbone, wide)
    assert found.logits.shape == (3, COLUMNS)
    np.testing.assert_allclose(found.logits, expected.logits, atol=1e-4)
    np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-5)
