"""What the ladder is told about a method before it is fitted."""

from __future__ import annotations

import numpy as np
import pytest

from edgeclip.adapters.model import FeatureGraph
from edgeclip.config import Recipe
from edgeclip.costs import added_macs, filled_beyond_zero_shot
from edgeclip.features import Features
from edgeclip.methods import Base, parse_method
from edgeclip.training import TrainingRows
from edgeclip.workbench import Workbench
from support.supports import EMBED_DIM, support

REGIONS, COLUMNS, VIEWS = 24, 3, 2


def _bench() -> Workbench:
    few = support((8, 8, 8))
    f = few.features.numpy().repeat(VIEWS, axis=0)
    places = [place for place in few.locations for _ in range(VIEWS)]
    origins = np.arange(REGIONS).repeat(VIEWS)
    rows = TrainingRows(Features(f, f), few.classes.numpy().repeat(VIEWS), places, origins)
    return Workbench(Base(few.start, FeatureGraph()), rows, Recipe(steps=1, batch=8, reduction=2))


@pytest.mark.parametrize("name", ["tip", "tip_f", "proker", "blend"])
def test_a_cache_is_counted_before_it_is_made(name: str) -> None:
    bench, method = _bench(), parse_method(name)
    entry = bench.entry(method, "S1")
    keys_and_values = REGIONS * EMBED_DIM + REGIONS * COLUMNS
    assert entry.added_macs == keys_and_values == 360
    made = bench.fit(method, method.settings[0]).pack_tensors()
    shapes = {slot: tensor.shape for slot, tensor in made.items()}
    assert entry.added_macs == added_macs(shapes)
    assert set(entry.slots) == set(filled_beyond_zero_shot(shapes))


def test_a_head_that_moves_the_class_matrix_costs_nothing_more() -> None:
    entry = _bench().entry(parse_method("gda"), "S1")
    assert (entry.added_macs, entry.slots) == (0, ())
