"""`--method auto`: climb from zero-shot to what the images allow, judged on places left out.

S0 zero-shot, the floor. S1 the best of the heads on cached features, where it is better. S2
adapters that reach deeper, each kept only where its gain over the rung below has an interval above
0: do no harm, and a deeper graph must pay for itself. The share of what was learned (WiSE) is
chosen on the way, from the same held-out places. Nothing here ever sees validation or test images.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edgeclip.adapters.class_head import ZeroShot
from edgeclip.adapters.component import FusionClass
from edgeclip.candidates import Judge, Score, better_first
from edgeclip.evaluation.bootstrap import Difference
from edgeclip.folds import Folds

Rung = Literal["S0", "S1", "S2"]
Logits = NDArray[np.float32]


@dataclass(frozen=True)
class Entry:
    """One method that the ladder tries.

    Attributes:
        name: As `--method` has it.
        rung: Where it stands.
        fusion: What it costs on the device.
        shares: Of what was learned, to choose from; without 0, which is the rung below.
        settings: Of the method, to choose from; at least one.
        logits: Fit to rows and return, by share, the logits of the held-out rows. Arguments: rows
            to fit to, rows held out, setting.
        parameters: Trained numbers.
        added_macs: Multiplications and additions a frame beyond zero-shot.
        slots: That it fills beyond zero-shot.
    """

    name: str
    rung: Rung
    fusion: FusionClass
    shares: tuple[float, ...]
    settings: tuple[Mapping[str, float], ...]
    logits: Callable[
        [NDArray[np.int64], NDArray[np.int64], Mapping[str, float]], Mapping[float, Logits]
    ]
    parameters: int = 0
    added_macs: int = 0
    slots: tuple[str, ...] = ()


@dataclass(frozen=True)
class Step:
    """One line of the ladder's table.

    Attributes:
        entry: What was tried.
        setting: Its best setting.
        share: The best share of what was learned.
        score: On the places left out.
        difference: Against the rung below by F1; None for zero-shot.
        seconds: Of all its fits.
        kept: Whether it was the best so far when it was tried.
        verdict: Why it was kept or not, for a person.
    """

    entry: Entry
    setting: Mapping[str, float]
    share: float
    score: Score
    difference: Difference | None
    seconds: float
    kept: bool
    verdict: str


@dataclass(frozen=True)
class Ladder:
    """What was tried, and what won.

    Attributes:
        steps: In the order of trial.
        chosen: The highest rung that was kept.
        skipped: Name -> why it was not tried.
        level: What was kept apart in the rounds.
        labels_used: Images that the choice has looked at.
    """

    steps: tuple[Step, ...]
    chosen: Step
    level: str
    labels_used: int
    skipped: Mapping[str, str] = field(default_factory=dict)


def climb(
    entries: Sequence[Entry],
    folds: Folds,
    judge: Judge,
    *,
    tried: Callable[[str], None] = lambda _: None,
) -> Ladder:
    """Return the ladder, climbed.

    Args:
        entries: `zero-shot` first, then S1, then S2 in the order of trial.
        folds: Rounds over the training part.
        judge: Of the same rounds.
        tried: Called with the name of each entry before it is fitted.
    """
    steps: list[Step] = []
    for rung in ("S0", "S1", "S2"):
        own = [entry for entry in entries if entry.rung == rung]
        if rung == "S2":
            for entry in own:
                steps.append(_judged(_tried(entry, folds, judge, tried), _best(steps)))
        elif own:
            fresh = [_tried(entry, folds, judge, tried) for entry in own]
            steps += _first_rungs(fresh, steps)
    used = {judge.part.regions[int(row)].image for row in folds.held}
    return Ladder(tuple(steps), _best(steps), folds.level, len(used))


def _tried(entry: Entry, folds: Folds, judge: Judge, tried: Callable[[str], None]) -> Step:
    """Return an entry at its best setting and share, not yet compared."""
    tried(entry.name)
    began = time.monotonic()
    found: list[tuple[Mapping[str, float], float, Score]] = []
    for setting in entry.settings:
        rounds = [entry.logits(fold.fit, fold.held, setting) for fold in folds.folds]
        for share in entry.shares:
            logits = np.concatenate([logits[share] for logits in rounds])
            found.append((setting, share, judge.judge(logits)))
    setting, share, score = found[better_first([score for *_, score in found])[0]]
    seconds = time.monotonic() - began
    return Step(entry, setting, share, score, None, seconds, kept=False, verdict="")


def _first_rungs(fresh: list[Step], below: list[Step]) -> list[Step]:
    """Return zero-shot kept, or the heads with the best of them kept if it beats zero-shot."""
    if not below:
        return [_decided(fresh[0], None, kept=True, verdict="the floor")]
    floor = below[-1]
    first = better_first([floor.score, *(step.score for step in fresh)])[0]
    decided = []
    for index, step in enumerate(fresh, start=1):
        difference = step.score.against(floor.score)
        kept = index == first and not difference.is_worse
        verdict = "the best head" if kept else "not the best head" if first else "zero-shot is best"
        decided.append(_decided(step, difference, kept=kept, verdict=verdict))
    return decided


def _judged(step: Step, below: Step) -> Step:
    """Return a step kept if its gain over the one below has an interval above 0."""
    difference = step.score.against(below.score)
    verdict = f"better than {below.entry.name}" if difference.is_better else _why_not(difference)
    return _decided(step, difference, kept=difference.is_better, verdict=verdict)


def _why_not(difference: Difference) -> str:
    if not difference.interval.is_known:
        return "too few places to know"
    return "worse" if difference.is_worse else "gain not certain"


def _decided(step: Step, difference: Difference | None, *, kept: bool, verdict: str) -> Step:
    return Step(
        step.entry, step.setting, step.share, step.score, difference, step.seconds, kept, verdict
    )


def _best(steps: Sequence[Step]) -> Step:
    return [step for step in steps if step.kept][-1]


def zero_shot_entry(start: ZeroShot, logits: Callable[[NDArray[np.int64]], Logits]) -> Entry:
    """Return the floor of every ladder.

    Args:
        start: The class matrix of the prompts.
        logits: Zero-shot's logits of rows.
    """
    return Entry(
        name="zero-shot",
        rung="S0",
        fusion="F0",
        shares=(1.0,),
        settings=({},),
        logits=lambda _fit, held, _setting: {1.0: logits(held)},
        added_macs=0,
        slots=tuple(start.slots()),
    )
