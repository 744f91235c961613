"""`--method auto`: climb from zero-shot to what the images allow, judged on places left out.

S0 zero-shot, or the earlier pack that a training stands on: the floor. S1 the best of the heads on
cached features: of those that take gradient steps only where the gain over the floor has an
interval above 0, of closed forms where they are better and not worse by theirs. S2 adapters that
reach deeper, each kept only where its gain over the rung below has an interval above 0: do no harm,
and a deeper graph must pay for itself. The share of what was learned (WiSE) is chosen on the way,
from the same held-out images. These are training and validation images; nothing here ever sees a
test image.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edgeclip.adapters.stored import PackFusion
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
        fusion: What a pack of it costs on the device.
        shares: Of what was learned, to choose from; without 0, which is the rung below.
        settings: Of the method, to choose from; at least one.
        logits: Fit to rows and return, by share, the logits of the held-out rows. Arguments: rows
            to fit to, rows held out, setting.
        parameters: Trained numbers.
        added_macs: Multiplications and additions a frame beyond zero-shot.
        slots: That it fills beyond zero-shot.
        is_trained: Whether it takes gradient steps.
    """

    name: str
    rung: Rung
    fusion: PackFusion
    shares: tuple[float, ...]
    settings: tuple[Mapping[str, float], ...]
    logits: Callable[
        [NDArray[np.int64], NDArray[np.int64], Mapping[str, float]], Mapping[float, Logits]
    ]
    parameters: int = 0
    added_macs: int = 0
    slots: tuple[str, ...] = ()
    is_trained: bool = False


@dataclass(frozen=True)
class Step:
    """One line of the ladder's table.

    Attributes:
        entry: What was tried.
        setting: Its best setting.
        share: The best share of what was learned.
        score: On the places left out.
        difference: Against the rung below by F1; None for the floor.
        seconds: Of all its fits in the rounds, on features that are already there.
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
    must_be_certain: bool,
    tried: Callable[[str], None] = lambda _: None,
) -> Ladder:
    """Return the ladder, climbed.

    Args:
        entries: The floor first, then others of S0 to show, then S1, then S2 in the order of trial.
        folds: Rounds over the training part.
        judge: Of the same rounds.
        must_be_certain: Whether gradient steps need a gain that is certain already at S1, as where
            nobody has named the method.
        tried: Called with the name of each entry before it is fitted.
    """
    steps: list[Step] = []
    for rung in ("S0", "S1", "S2"):
        own = [entry for entry in entries if entry.rung == rung]
        if rung == "S2":
            for entry in own:
                tried(entry.name)
                steps.append(_judged(at_its_best(entry, folds, judge), _best(steps)))
            continue
        fresh = []
        for entry in own:
            tried(entry.name)
            fresh.append(at_its_best(entry, folds, judge))
        if rung == "S0":
            steps += _floor(fresh)
        else:
            steps += _first_rung(fresh, _best(steps), must_be_certain=must_be_certain)
    used = {judge.part.regions[int(row)].image for row in folds.held}
    return Ladder(tuple(steps), _best(steps), folds.level, len(used))


def at_its_best(entry: Entry, folds: Folds, judge: Judge) -> Step:
    """Return an entry at its best setting and share on what was held out, not yet compared."""
    seconds = 0.0
    found: list[tuple[Mapping[str, float], float, Score]] = []
    for setting in entry.settings:
        began = time.monotonic()
        rounds = [entry.logits(fold.fit, fold.held, setting) for fold in folds.folds]
        seconds += time.monotonic() - began  # judging is the same for all, and left out
        for share in entry.shares:
            logits = np.concatenate([logits[share] for logits in rounds])
            found.append((setting, share, judge.judge(logits)))
    setting, share, score = found[better_first([score for *_, score in found])[0]]
    return Step(entry, setting, share, score, None, seconds, kept=False, verdict="")


def _floor(fresh: list[Step]) -> list[Step]:
    """Return the first kept, and the others beside it, which nothing is compared with."""
    floor, *others = fresh
    shown = [
        _decided(step, step.score.against(floor.score), kept=False, verdict="for comparison")
        for step in others
    ]
    return [_decided(floor, None, kept=True, verdict="the floor"), *shown]


def _first_rung(fresh: list[Step], floor: Step, *, must_be_certain: bool) -> list[Step]:
    """Return the heads, with the best of those that may be kept if it beats the floor."""
    found = [(step, step.score.against(floor.score)) for step in fresh]
    kept_from = [
        step for step, gain in found if _may_be_kept(step, gain, must_be_certain=must_be_certain)
    ]
    first = better_first([floor.score, *(step.score for step in kept_from)])[0]
    rivals = [floor, *kept_from]
    best = rivals[first]
    decided = []
    for step, gain in found:
        verdict = _why_best(best, rivals) if step is best else "not the best head"
        if all(step is not other for other in kept_from):
            verdict = _why_not(gain)
        elif best is floor:
            verdict = f"{floor.entry.name} is best"
        decided.append(_decided(step, gain, kept=step is best, verdict=verdict))
    return decided


def _why_best(best: Step, rivals: Sequence[Step]) -> str:
    """Say that a head is the best, and why where another has a higher average precision."""
    top = max(rivals, key=lambda step: step.score.average_precision)
    if top.score.average_precision <= best.score.average_precision:
        return "the best head"
    return f"the best head: AP as {top.entry.name}'s within its error, lower log loss"


def _may_be_kept(step: Step, gain: Difference, *, must_be_certain: bool) -> bool:
    """Say whether a head may take the floor's place, if it is the best of those that may.

    A closed form has few ways to fit what is not there: it may where its mean gain is above 0 and
    its interval not below. What takes gradient steps must be certain, where nobody named it.
    """
    if must_be_certain and step.entry.is_trained:
        return gain.is_better
    return not gain.is_worse and (not must_be_certain or gain.interval.estimate > 0)


def _judged(step: Step, below: Step) -> Step:
    """Return a step kept if its gain over the one below has an interval above 0."""
    difference = step.score.against(below.score)
    verdict = f"better than {below.entry.name}" if difference.is_better else _why_not(difference)
    return _decided(step, difference, kept=difference.is_better, verdict=verdict)


def _why_not(difference: Difference) -> str:
    if not difference.interval.is_known:
        return "too few places to know"
    if difference.is_worse:
        return "worse"
    return "gain not certain" if difference.interval.estimate > 0 else "no gain"


def _decided(step: Step, difference: Difference | None, *, kept: bool, verdict: str) -> Step:
    return Step(
        step.entry, step.setting, step.share, step.score, difference, step.seconds, kept, verdict
    )


def _best(steps: Sequence[Step]) -> Step:
    return [step for step in steps if step.kept][-1]
