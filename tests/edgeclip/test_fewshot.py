"""The few-shot benchmark: its `auto` is the ladder, and its means are means."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from benchmarks import _fewshot_auto as ladder
from benchmarks._fewshot_data import DATA_SETS, SHOTS
from benchmarks._fewshot_methods import METHODS as SINGLE
from benchmarks._fewshot_parts import logits_of
from benchmarks.fewshot import METHODS, View, key_of, views
from edgeclip.adapters.support import Support, drawn_start
from edgeclip.errors import DataError

CLASSES, WIDTH = 4, 24


def _support(shots: int, *, spread: float, seed: int = 0) -> tuple[Support, torch.Tensor]:
    """Return shots around the mean of each class, and 40 features a class to be tested on."""
    draw = torch.Generator().manual_seed(seed)
    means = torch.randn(CLASSES, WIDTH, generator=draw)

    def around(count: int) -> torch.Tensor:
        rows = means.repeat_interleave(count, 0)
        return normalize(rows + spread * torch.randn(rows.shape, generator=draw), dim=1)

    features, classes = around(shots), torch.arange(CLASSES).repeat_interleave(shots)
    start = drawn_start(features, classes, CLASSES, 100.0)
    return Support(features, classes, start, ["one"] * len(classes), drawn_start=True), around(40)


def test_with_one_shot_nothing_is_judged_and_the_blend_is_kept() -> None:
    support, tested = _support(1, spread=0.3)
    expected = SINGLE["blend"][0](support, 1, tested)
    torch.testing.assert_close(ladder.auto(support, 1, tested), expected)
    with pytest.raises(DataError):
        ladder.climbed(support, 1)


def test_auto_is_what_the_ladder_kept_fitted_to_all_shots(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ladder, "TRIED", {name: ladder.TRIED[name] for name in ("gda", "blend")})
    support, tested = _support(4, spread=1.5)
    won = ladder.climbed(support, 1)
    parts = ladder.TRIED[won.entry.name][1](support, 1) if won.entry.rung != "S0" else []
    expected = logits_of(support, parts, tested, won.share)
    torch.testing.assert_close(ladder.auto(support, 1, tested), expected)


def test_held_out_shots_are_seen_neither_by_a_fit_nor_by_a_drawn_start() -> None:
    support, _ = _support(3, spread=1.0)
    seen: list[int] = []

    def make(rest: Support, _seed: int) -> list[object]:
        seen.extend(rest.features[:, 0].tolist())
        expected = drawn_start(rest.features, rest.classes, CLASSES, 100.0)
        torch.testing.assert_close(rest.start.weights, expected.weights)
        return []

    entry = ladder._entry("some", "S1", make, (1.0,), support, 1)  # type: ignore[arg-type]
    held = np.asarray([0, 4, 8, 11])
    kept = np.setdiff1d(np.arange(12), held)
    logits = entry.logits(kept, held, {})
    assert logits[1.0].shape == (4, CLASSES)
    assert not set(seen) & set(support.features[held, 0].tolist())


def test_means_are_over_seeds_then_data_sets_and_leads_against_the_best_other() -> None:
    cells = itertools.product(DATA_SETS, SHOTS, (1, 2))
    found = {
        key_of(cell): dict.fromkeys(METHODS, 50.0 + cell[2]) | {"auto": 60.0 + cell[2]}
        for cell in cells
    }
    view = views(found)["all"]
    assert view.seeds == (1, 2)
    assert view.mean("start", 1) == 51.5
    assert (view.lead(4), view.least_gain(4)) == (10.0, 10.0)
    assert set(views({})) == set()
    assert "auto_minus_best_other" not in View(found, tuple(SINGLE)).report()
