from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from rich.console import Console

from edgeclip.candidates import Judge
from edgeclip.folds import plan_folds
from edgeclip.ladder import Entry, Ladder, Rung, _why_best, at_its_best, climb
from edgeclip.ladder_table import (
    LADDER_HEADER,
    LadderTable,
    ladder_cells,
    ladder_skipped,
    ladder_values,
)
from support.parts import Seen, part_of

NAMES, COLUMNS = ("leopard", "blank"), [0, 1]
SLOTS = ("va_down", "va_up")
PART = part_of(
    [Seen(name, f"P{place}", (1.0,)) for place in range(8) for name in NAMES for _ in range(4)],
    NAMES,
)
FOLDS = plan_folds(PART, [0], [], 6)
JUDGE = Judge(PART, FOLDS.held, COLUMNS, [0])
Rows = NDArray[np.int64]


def _entry(
    name: str,
    rung: Rung,
    wrong: float,
    *,
    at_share: float = 1.0,
    shares: tuple[float, ...] = (1.0,),
    parameters: int = 1234,
) -> Entry:
    """A method that is wrong in a share of the images, at one share of what it learned."""
    rng = np.random.default_rng(len(name))
    truth = PART.classes
    said = np.where(rng.random(len(truth)) < wrong, rng.integers(0, 2, len(truth)), truth)
    noise = rng.normal(0, 0.3, (len(truth), 2)).astype(np.float32)

    def logits(fit: Rows, held: Rows, _: Mapping[str, float]) -> dict[float, NDArray[np.float32]]:
        assert not set(fit.tolist()) & set(held.tolist())
        sure = {share: 3.0 if share == at_share else 0.0 for share in shares}
        return {
            share: noise[held] + np.float32(sure[share]) * np.eye(2, dtype=np.float32)[said[held]]
            for share in shares
        }

    trained = parameters > 0
    return Entry(
        name, rung, "F1", shares, ({},), logits, parameters, 5_600_000, SLOTS, is_trained=trained
    )


def _climbed(*entries: Entry, must_be_certain: bool = True) -> Ladder:
    return climb(entries, FOLDS, JUDGE, must_be_certain=must_be_certain)


def test_a_clear_gain_climbs_to_the_deeper_rung() -> None:
    ladder = _climbed(
        _entry("zero-shot", "S0", 0.9), _entry("head", "S1", 0.4), _entry("visual", "S2", 0.0)
    )
    assert ladder.chosen.entry.name == "visual"
    assert [step.kept for step in ladder.steps] == [True, True, True]
    assert ladder.labels_used == 64


def test_invariant_37_a_gain_that_is_not_certain_stays_on_the_rung_below() -> None:
    ladder = _climbed(
        _entry("zero-shot", "S0", 0.9),
        _entry("gda", "S1", 0.2, parameters=0),
        _entry("visual", "S2", 0.1),
    )
    assert ladder.chosen.entry.name == "gda"
    assert ladder.steps[-1].verdict == "gain not certain"


def test_invariant_37_where_training_does_harm_zero_shot_stays() -> None:
    ladder = _climbed(
        _entry("zero-shot", "S0", 0.0), _entry("head", "S1", 0.6), _entry("visual", "S2", 0.9)
    )
    assert ladder.chosen.entry.name == "zero-shot"
    assert [step.verdict for step in ladder.steps] == ["the floor", "worse", "worse"]


def test_invariant_37_a_head_with_gradient_steps_needs_a_gain_that_is_certain() -> None:
    floor, head = _entry("zero-shot", "S0", 0.2), _entry("head", "S1", 0.1)
    ladder = _climbed(floor, head)
    step = ladder.steps[1]
    assert step.difference is not None
    assert step.difference.interval.estimate > 0
    assert step.difference.interval.low <= 0
    assert (ladder.chosen.entry.name, step.verdict) == ("zero-shot", "gain not certain")
    assert _climbed(floor, head, must_be_certain=False).chosen.entry.name == "head"


def test_invariant_37_a_closed_form_stays_where_its_mean_is_better_and_it_is_not_worse() -> None:
    floor, head = _entry("zero-shot", "S0", 0.2), _entry("head", "S1", 0.1)
    ladder = _climbed(floor, head, _entry("gda", "S1", 0.1, parameters=0))
    assert [step.kept for step in ladder.steps] == [True, False, True]
    assert ladder.chosen.difference is not None
    assert not ladder.chosen.difference.is_better


def test_invariant_37_a_closed_form_without_a_gain_leaves_the_floor() -> None:
    ladder = _climbed(_entry("zero-shot", "S0", 0.0), _entry("gda", "S1", 0.0, parameters=0))
    assert (ladder.chosen.entry.name, ladder.steps[1].verdict) == ("zero-shot", "no gain")


def test_the_floor_is_the_first_entry_and_others_beside_it_are_only_shown() -> None:
    ladder = _climbed(
        _entry("earlier pack", "S0", 0.3), _entry("zero-shot", "S0", 0.0), _entry("head", "S1", 0.5)
    )
    assert ladder.chosen.entry.name == "earlier pack"
    assert [step.verdict for step in ladder.steps[:2]] == ["the floor", "for comparison"]
    assert ladder.steps[1].difference is not None
    assert ladder.steps[2].difference is not None
    assert ladder.steps[2].difference.theirs == ladder.steps[1].difference.theirs


def test_the_best_of_the_heads_stands_for_its_rung() -> None:
    ladder = _climbed(
        _entry("zero-shot", "S0", 0.9), _entry("head", "S1", 0.2), _entry("gda", "S1", 0.0)
    )
    assert ladder.chosen.entry.name == "gda"
    assert ladder.steps[1].verdict == "not the best head"


def test_a_best_head_that_another_surpasses_by_a_hair_says_why_it_is_the_best() -> None:
    higher, lower = (
        at_its_best(_entry(name, "S1", wrong, parameters=0), FOLDS, JUDGE)
        for name, wrong in (("gda", 0.1), ("proker", 0.2))
    )
    assert higher.score.average_precision > lower.score.average_precision
    rivals = [higher, lower]
    assert _why_best(higher, rivals) == "the best head"
    assert _why_best(lower, rivals) == (
        "the best head: AP as gda's within its error, lower log loss"
    )


def test_the_share_of_what_was_learned_is_chosen_on_what_was_held_out() -> None:
    shares = (0.1, 0.5, 1.0)
    ladder = _climbed(
        _entry("zero-shot", "S0", 0.9), _entry("head", "S1", 0.0, at_share=0.5, shares=shares)
    )
    assert ladder.chosen.share == 0.5


def test_the_table_names_cost_change_and_verdict_of_each_method() -> None:
    ladder = _climbed(_entry("zero-shot", "S0", 0.9), _entry("head", "S1", 0.0))
    console = Console(width=100)
    with console.capture() as capture:
        console.print(LadderTable(ladder))
    line = next(line for line in capture.get().splitlines() if line.startswith("S1* head"))
    for text in ("1.000", "100%", "+0.", "..+0.", "1.23 k", "F1, 2", "5.6 M", "0.0", "the best"):
        assert text in line
    cells = dict(zip(LADDER_HEADER, ladder_cells(ladder.steps[1]), strict=True))
    assert (cells["rung"], cells["class"], cells["slots"]) == ("S1", "F1", "va_down, va_up")
    assert cells["worst place"] == "100% P0"
    values = ladder_values(ladder)
    assert values["chosen"] == "head"
    assert values["held_out_by"] == "location"


def test_names_of_entries_are_told_before_their_fits() -> None:
    told: list[str] = []
    entries = [_entry("zero-shot", "S0", 0.9), _entry("head", "S1", 0.0)]
    climb(entries, FOLDS, JUDGE, must_be_certain=True, tried=told.append)
    assert told == ["zero-shot", "head"]


@pytest.mark.parametrize("wrong", [0.0, 0.5])
def test_zero_shot_alone_is_a_ladder_of_one_rung(wrong: float) -> None:
    ladder = _climbed(_entry("zero-shot", "S0", wrong))
    assert ladder.chosen.entry.name == "zero-shot"


def test_the_table_of_a_terminal_has_each_method_on_lines_of_100_columns() -> None:
    name = "visual+xmodal+head"
    ladder = _climbed(_entry("zero-shot", "S0", 0.9), _entry(name, "S2", 0.0))
    ladder = replace(ladder, skipped={"block+head": "34 minutes: see --budget-minutes"})
    console = Console(width=100)
    with console.capture() as capture:
        console.print(LadderTable(ladder))
    assert any(name in line and "better" in line for line in capture.get().splitlines())
    assert "…" not in capture.get()
    assert ladder_skipped(ladder) == ["block+head: 34 minutes: see --budget-minutes"]


def test_the_table_of_80_columns_keeps_rung_figures_and_verdict_and_marks_what_is_kept() -> None:
    name = "visual+xmodal+head"
    ladder = _climbed(
        _entry("zero-shot", "S0", 0.9), _entry("gda", "S1", 0.6), _entry(name, "S2", 0.0)
    )
    console = Console(width=80)
    with console.capture() as capture:
        console.print(LadderTable(ladder))
    text = capture.get()
    assert "…" not in text
    assert "MACs" not in text
    assert [line.split()[0] for line in text.splitlines() if line[:1] == "S"] == ["S0", "S1", "S2*"]
    line = next(line for line in text.splitlines() if line.startswith(f"S2* {name}"))
    gain = ladder.steps[-1].difference
    assert gain is not None
    for part in ("1.000", "100%", f"{gain.interval.low:+.2f}..{gain.interval.high:+.2f}", "better"):
        assert part in line
    assert "not the best" not in text
    assert "* kept" in text


def test_seconds_are_those_of_the_fits_and_not_of_judging_them() -> None:
    slow, quick = _entry("head", "S1", 0.0), _entry("zero-shot", "S0", 0.9)

    def waiting(
        fit: Rows, held: Rows, setting: Mapping[str, float]
    ) -> Mapping[float, NDArray[np.float32]]:
        time.sleep(0.05)
        return slow.logits(fit, held, setting)

    steps = _climbed(quick, replace(slow, logits=waiting)).steps
    assert steps[1].seconds >= 0.05 * len(FOLDS.folds)
    assert steps[0].seconds < steps[1].seconds
