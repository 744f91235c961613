"""What `train` and `evaluate` show to a person: rich tables of all contenders side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from edgeclip.advice import advice
from edgeclip.background import BackgroundCheck
from edgeclip.evaluation.comparison import Comparison, Scope
from edgeclip.tables import plain_table
from edgeclip.wording import decimal, difference, interval, percent, whole

_MOST_CLASSES = 8  # columns of the confusion that a terminal holds


def evaluation_tables(
    comparison: Comparison, *, background: BackgroundCheck | None = None
) -> Group:
    """Return figures side by side, and the confusion matrix of the pack where it fits."""
    blocks: list[RenderableType] = []
    for scope in comparison.scopes:
        blocks += [_target(scope, target) for target in comparison.targets]
        blocks += [_alarms(scope, comparison.targets), _overall(scope)]
    blocks.append(_costs(comparison))
    if len(comparison.judged.class_names) <= _MOST_CLASSES:
        blocks.append(_confusion(comparison.headline))
    for target, gap in comparison.gaps.items():
        blocks.append(Text(f"\n{target}: F1 at known places {gap:+.2f} against new ones"))
    if background:
        blocks.append(_background(background))
    blocks += [Text(f"advice: {sentence}", style="green") for sentence in advice(comparison)]
    return Group(*blocks)


def _target(scope: Scope, target: str) -> Table:
    table = plain_table(f"\n{escape(target)}, {scope.name}: {len(scope.rows)} images")
    for column in (
        "", "F1", "the pack\ngains", "recall", "precision", "found", "false\nalarms",
    ):  # fmt: skip
        table.add_column(column, justify="right" if column else "left")
    for name, judgement in scope.judgements.items():
        figures, scores = judgement.targets[target], judgement.frames.targets[target]
        against = scope.differences.get(name)
        table.add_row(
            escape(name),
            _short(interval(figures.f1)),
            _short(difference(against[target])) if against else "",
            decimal(scores.recall),
            decimal(scores.precision),
            f"{scores.found} of {scores.support}",
            str(scores.false_alarms),
        )
    return table


def _short(text: str) -> str:
    """Return an interval as a terminal has room for."""
    return text.replace(" to ", "..")


def _costs(comparison: Comparison) -> Table:
    table = plain_table("\nWhat each of them needed")
    for column in (
        "", "trained\nparameters", "steps", "seconds", "peak\nMB",
        *(f"threshold\n{escape(target)}" for target in comparison.targets),
    ):  # fmt: skip
        table.add_column(column, justify="right" if column else "left")
    for contender in comparison.contenders:
        table.add_row(
            escape(contender.name),
            f"{contender.trainable_params:,}",
            str(contender.steps),
            whole(contender.seconds),
            whole(contender.peak_memory_mb),
            *(f"{contender.thresholds[target]:.2f}" for target in comparison.targets),
        )
    return table


def _alarms(scope: Scope, targets: Sequence[str]) -> Table:
    table = plain_table(f"\nSequences and alarms, {scope.name}")
    for column in (
        "", "sequences", "recall", "precision", "visits\nfound", "true\nalarms",
        "false alarms\na camera-day",
    ):  # fmt: skip
        table.add_column(column, justify="right" if column else "left")
    for target in targets:
        figures, own = scope.main.targets[target], scope.main.sequences.targets[target]
        alerts = figures.alerts
        told = ("unknown", "unknown", "unknown")
        if alerts:
            told = (
                f"{alerts.visits_found} of {alerts.visits}",
                f"{alerts.true_alerts} of {alerts.alerts}",
                decimal(alerts.false_alarms_per_camera_day),
            )
        table.add_row(
            escape(target), f"{own.support} of {scope.main.sequences.images}", decimal(own.recall),
            decimal(own.precision), *told,
        )  # fmt: skip
    return table


def _overall(scope: Scope) -> Table:
    table = plain_table(f"\nAll classes, {scope.name}")
    for column in (
        "", "accuracy", "macro-F1", "ECE", "ECE\nbefore", "blanks removed\nat 95 %",
        "worst place", "right there",
    ):  # fmt: skip
        table.add_column(column, justify="right" if column else "left")
    for name, judgement in scope.judgements.items():
        place, share = judgement.frames.worst_place
        removed = judgement.blanks_removed.get(0.95)
        table.add_row(
            escape(name),
            decimal(judgement.accuracy.estimate),
            decimal(judgement.macro_f1.estimate),
            decimal(judgement.reliability.error),
            decimal(judgement.ece_before),
            percent(removed.estimate if removed else math.nan),
            Text(place),
            percent(share),
        )
    return table


def _confusion(scope: Scope) -> Table:
    names = scope.judged.class_names
    table = plain_table(
        f"\nConfusion, {escape(scope.main.name)}, {scope.name} (row true, column likeliest)"
    )
    table.add_column("")
    for name in names:
        table.add_column(escape(name), justify="right")
    for name, row in zip(names, scope.main.frames.confusion, strict=True):
        table.add_row(escape(name), *(str(count) for count in row))
    return table


def _background(check: BackgroundCheck) -> Table:
    table = plain_table(
        f"\nAnimals painted over: accuracy {check.accuracy:.2f} falls to"
        f" {check.covered_accuracy:.2f}; the commonest class alone makes {check.prior:.2f}"
    )
    for column in ("", "images", "called", "called when covered", "called elsewhere", ""):
        table.add_column(column, justify="right" if column else "left")
    for name, own in check.targets.items():
        verdict = "looks at the place" if own.looks_at_the_place else "looks at the animal"
        table.add_row(
            escape(name),
            str(own.images),
            percent(own.seen),
            percent(own.covered),
            percent(own.elsewhere),
            verdict,
        )
    return table
