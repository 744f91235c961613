"""From a method's name to the head that goes into the pack: rounds, ladder, the fit to all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from edgeclip.adapters.model import AdapterModel
from edgeclip.candidates import Judge
from edgeclip.config import Recipe
from edgeclip.folds import Folds
from edgeclip.kinds import AUTO, AUTO_FIRST, AUTO_THEN, ZERO_SHOT
from edgeclip.ladder import Entry, Ladder, Rung, Step, climb
from edgeclip.methods import Method, parse_method, without_place
from edgeclip.parts import PartData
from edgeclip.progress import Bars
from edgeclip.selection import Candidate, Choice, candidate_of
from edgeclip.workbench import Workbench

EARLIER_PACK = "earlier pack"
"""The floor of a training that stands on one: that pack as it is."""
RUNGS: Mapping[Rung, Sequence[str]] = {"S1": AUTO_FIRST, "S2": AUTO_THEN}


@dataclass(frozen=True)
class Learned:
    """What a training decided.

    Attributes:
        method: That the pack holds: as asked for, as the ladder chose, or the floor's.
        choice: The head to store, beside zero-shot.
        parameters: Trained numbers of the method.
        ladder: What was tried.
    """

    method: Method
    choice: Choice
    parameters: int
    ladder: Ladder

    @property
    def kept_floor(self) -> bool:
        """Whether nothing that was tried is stored: zero-shot, or the earlier pack as it is."""
        return self.ladder.chosen.entry.rung == "S0"

    @property
    def trained_parameters(self) -> int:
        """Those of the head to store; 0 where the floor was kept or nothing is trained."""
        return 0 if self.kept_floor else self.parameters

    def steps(self, recipe: Recipe) -> int:
        """Return how many gradient steps made the head to store; 0 where nothing is trained."""
        return recipe.steps if self.trained_parameters else 0


@dataclass(frozen=True)
class Lesson:
    """What is learned from.

    Attributes:
        part: Training and validation images with all views.
        folds: Rounds over them.
        column_class: The class of each column.
        targets: Indices of the classes that are scored.
    """

    part: PartData
    folds: Folds
    column_class: Sequence[int]
    targets: Sequence[int]

    @property
    def judge(self) -> Judge:
        """Of the rounds."""
        return Judge(self.part, self.folds.held, self.column_class, self.targets)


def learn(
    name: str,
    bench: Workbench,
    lesson: Lesson,
    bars: Bars,
    *,
    skipped: Mapping[str, str] | None = None,
) -> Learned:
    """Return what a method learned; do no harm: the floor, where that is better held out.

    The floor is zero-shot, or the earlier pack that the training stands on, as it is.

    Args:
        name: `auto`, `zero-shot`, or names of components joined by `+`.
        bench: With the rows of the lesson's part.
        lesson: Never holds a test image.
        bars: Progress.
        skipped: Method -> why it is not tried.

    Raises:
        ConfigError: The method is not known.
    """
    floors = _floors(bench)
    shown = [bench.as_it_is(own, model) for own, model in floors.items()]
    entries = [*shown, *_entries(name, bench, skipped or {})]
    if bench.run and bench.run.resumed:
        rounds = bench.run.rounds()
        bars.add("rounds taken over", rounds)(rounds)
    advance = bars.add("methods, held out", len(entries))
    climbed = climb(
        entries,
        lesson.folds,
        lesson.judge,
        must_be_certain=name == AUTO,
        tried=lambda _: advance(1),
    )
    ladder = replace(climbed, skipped={**_taken(name, bench), **(skipped or {})})
    known = {
        step.entry.name: candidate_of(floors[step.entry.name], 1.0, step.score, {})
        for step in ladder.steps
        if step.entry.name in floors
    }
    zero_shot, won = known[ZERO_SHOT], ladder.chosen
    if won.entry.name in known:
        kept = known[won.entry.name]
        kinds = "+".join(part.kind for part in kept.parts)
        return Learned(Method(kinds or ZERO_SHOT, ()), Choice(kept, zero_shot), 0, ladder)
    method = parse_method(won.entry.name)
    chosen, parameters = _final(bench, method, won, bars)
    return Learned(method, Choice(chosen, zero_shot), parameters, ladder)


def _final(bench: Workbench, method: Method, won: Step, bars: Bars) -> tuple[Candidate, int]:
    """Fit the winner to all images, with what was chosen while some were held out."""
    advance = bars.add("training", bench.recipe.steps)
    model = bench.fit(method, won.setting, advance=lambda _: advance(1))
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return candidate_of(model, won.share, won.score, won.setting), parameters


def _entries(name: str, bench: Workbench, skipped: Mapping[str, str]) -> list[Entry]:
    if name != AUTO:
        method = parse_method(name)
        return [bench.entry(method, "S1")] if method.kinds else []
    inside = bench.base.inside is not None
    entries = []
    for rung, names in RUNGS.items():
        for method in map(parse_method, names):
            known = method.name not in skipped and (inside or method.level == "features")
            if known and not without_place(method, bench.base.before):
                entries.append(bench.entry(method, rung))
    return entries


def _taken(name: str, bench: Workbench) -> dict[str, str]:
    """Return what `auto` leaves out because an earlier pack has the like of it, and why."""
    if name != AUTO:
        return {}
    methods = [parse_method(own) for names in RUNGS.values() for own in names]
    taken = {method.name: without_place(method, bench.base.before) for method in methods}
    return {
        own: f"the earlier pack leaves no place for {kind}" for own, kind in taken.items() if kind
    }


def _floors(bench: Workbench) -> dict[str, AdapterModel]:
    """Return by name what learns nothing: first what must be beaten, then what is only shown."""
    base = bench.base
    zero_shot = {ZERO_SHOT: AdapterModel(base.start, (), base.graph)}
    if not base.before:
        return zero_shot
    return {EARLIER_PACK: AdapterModel(base.start, base.before, base.graph), **zero_shot}
