"""What `benchmarks/soak.py` calls flat."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.soak import memory_of

PARTS = np.linspace(0, 1, 400)
NOISE = np.random.default_rng(0).normal(0, 0.3, 400)


@pytest.mark.parametrize("warm_up_mb", [0.0, 20.0])
def test_noise_about_a_level_is_flat_whatever_the_warm_up_took(warm_up_mb: float) -> None:
    rising = warm_up_mb * np.minimum(PARTS, 0.3) / 0.3
    memory = memory_of(np.column_stack((PARTS, 80 + rising + NOISE)))
    assert memory.is_flat
    assert memory.median_mb == pytest.approx(80 + warm_up_mb, abs=0.2)
    assert memory.scatter_mb == pytest.approx(0.6, rel=0.2)


def test_what_grows_by_more_than_the_readings_scatter_is_not_flat() -> None:
    memory = memory_of(np.column_stack((PARTS, 80 + 2 * PARTS + NOISE)))
    assert not memory.is_flat
    assert memory.growth_low_mb < 2 < memory.growth_high_mb
