"""Invariants that hold for every kind of adapter that `--method` knows: nobody is left out."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
import torch
from torch import nn

from edgeclip.adapters.model import AdapterModel, arrays
from edgeclip.base_watch import BaseWatch
from edgeclip.contract.deltas import changes_weights
from edgeclip.makers import MAKERS
from edgeclip.training import fit
from support.every_kind import EVERY, SMALL, TRAINED, Bench, component, make_bench

BenchOf = Callable[[str], Bench]
every = pytest.mark.parametrize("kind", EVERY)
trained = pytest.mark.parametrize("kind", TRAINED)
_FOLDED = {"class_weights", "class_bias", "logit_scale", "temperature", "projection_delta"}


@pytest.fixture(scope="module")
def bench_of(tmp_path_factory: pytest.TempPathFactory) -> BenchOf:
    """Return the bench of a kind; each is made once, and nobody changes it."""
    made: dict[str, Bench] = {}

    def bench(kind: str) -> Bench:
        level = MAKERS[kind].level
        if level not in made:
            made[level] = make_bench(level, tmp_path_factory.mktemp(level))
        return made[level]

    return bench


@pytest.mark.parametrize("kind", [kind for kind in TRAINED if kind != "tip_f"])
def test_invariant_1_a_fresh_adapter_is_zero_shot_bit_for_bit(kind: str, bench_of: BenchOf) -> None:
    """Tip-Adapter-F starts as Tip-Adapter (invariant 6)."""
    bench = bench_of(kind)
    model = bench.fresh(kind).eval()
    assert torch.equal(bench.logits(model, 1.0), bench.zero_shot())
    with torch.no_grad():
        assert torch.equal(model(bench.inputs).logits, bench.zero_shot())


@every
def test_invariants_2_3_and_38_the_share_leads_from_zero_shot_to_what_was_learned(
    kind: str, bench_of: BenchOf
) -> None:
    bench = bench_of(kind)
    model = bench.moved(kind)
    path = [bench.logits(model, step / 20) for step in range(21)]
    assert torch.equal(path[0], bench.zero_shot())
    with torch.no_grad():
        torch.testing.assert_close(path[-1], model(bench.inputs).logits, atol=1e-5, rtol=0)
    ways = [float((logits - path[0]).norm()) for logits in path]
    assert ways == sorted(ways)
    assert ways[-1] > 0.01
    steps = [float((b - a).abs().max()) for a, b in itertools.pairwise(path)]
    assert max(steps) < 0.4 * float((torch.stack(path) - path[0]).abs().max()), "no jump"


@trained
def test_invariant_14_a_fit_changes_no_weight_and_no_buffer_of_the_encoder(
    kind: str, bench_of: BenchOf
) -> None:
    bench = bench_of(kind)
    watch, model = BaseWatch(bench.backbone), bench.fresh(kind)
    kept = {name: buffer.clone() for name, buffer in model.named_buffers()}
    fit(model, bench.rows, SMALL)
    watch.check(kind)
    watch.check_hash()
    assert all(torch.equal(buffer, kept[name]) for name, buffer in model.named_buffers())
    towers: tuple[nn.Module, ...] = (bench.backbone.tower, bench.backbone.text_model()[0])
    assert all(p.grad is None for tower in towers for p in tower.parameters())
    assert bench.base.start.weights.grad is None


@trained
def test_invariant_15_by_step_two_all_that_trains_has_a_finite_gradient(
    kind: str, bench_of: BenchOf
) -> None:
    bench = bench_of(kind)
    model = bench.fresh(kind)
    own = dict(component(model).named_parameters())
    zero_at_start = {name for name, value in own.items() if not value.any()}
    optimizer = torch.optim.Adam(own.values(), lr=1e-3)
    seen: list[set[str]] = []
    for _ in range(3):
        optimizer.zero_grad()
        model(bench.inputs).logits.square().sum().backward()
        assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in own.values())
        seen.append({n for n, p in own.items() if p.grad is not None and p.grad.any()})
        optimizer.step()
    assert seen[0] & zero_at_start or not zero_at_start, "what starts at zero learns first"
    assert seen[2] == set(own)


@every
def test_invariant_32_the_same_seed_gives_the_same_bits(kind: str, bench_of: BenchOf) -> None:
    bench = bench_of(kind)
    one, other = (bench.fit(kind).pack_tensors() for _ in range(2))
    assert one.keys() == other.keys()
    assert all(one[name].tobytes() == other[name].tobytes() for name in one)


@pytest.mark.parametrize("kind", [kind for kind in EVERY if MAKERS[kind].fusion == "F0"])
def test_invariant_29_class_f0_binds_nothing_but_what_folds(kind: str, bench_of: BenchOf) -> None:
    """`tests/export/test_bake.py` shows that these fold without a node."""
    model = bench_of(kind).moved(kind)
    bound = set(model.own_slots()) - _FOLDED
    assert all(changes_weights([name]) for name in bound)
    assert MAKERS[kind].level == "weights" or not bound


def test_invariant_29_all_other_kinds_bind_a_slot_that_costs_nodes(bench_of: BenchOf) -> None:
    for kind in EVERY:
        if MAKERS[kind].fusion != "F0":
            assert set(arrays(component(bench_of(kind).moved(kind)).slots())) - _FOLDED, kind


def test_the_bench_trains_each_kind_through_the_graph_of_its_level(bench_of: BenchOf) -> None:
    graphs = {
        "features": "FeatureGraph", "tokens": "DeepGraph", "weights": "WeightGraph",
        "stages": "StageGraph",
    }  # fmt: skip
    for kind in TRAINED:
        model: AdapterModel = bench_of(kind).fresh(kind)
        assert type(model.graph).__name__ == graphs[MAKERS[kind].level]
        assert component(model).kind == kind
