"""The most memory that a process has held."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from edgeclip.peak_memory import forget_peak, peak_memory_mb

HELD = 400  # MB


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can forget a peak")
def test_a_peak_is_forgotten_and_the_next_one_is_seen() -> None:
    block = np.ones(HELD * 1_000_000, np.uint8)
    high = peak_memory_mb()
    assert high > HELD
    del block
    assert forget_peak()
    low = peak_memory_mb()
    assert low < high - HELD / 2
    np.ones(HELD * 1_000_000, np.uint8)
    assert peak_memory_mb() > low + HELD / 2
