"""The ladder of `--method auto` as a table for a person, and as plain values for files."""

from __future__ import annotations

from rich import box
from rich.table import Table

from edgeclip.evaluation.bootstrap import Difference
from edgeclip.ladder import Ladder, Step

_UNITS = ((1_000_000, "M"), (1_000, "k"))


def ladder_table(ladder: Ladder) -> Table:
    """Return one line a method: figures on places left out, what it costs, and the verdict."""
    table = Table(
        title=f"\nMethods, judged on images held out by {ladder.level}"
        f" ({ladder.labels_used} labelled images)",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        collapse_padding=True,
    )
    table.add_column("method")
    for column in ("AP", "mean\nplace", "worst\nplace", "change of F1\n(95 % interval)", "trained",
                   "added\nMACs", "s"):  # fmt: skip
        table.add_column(column, justify="right")
    table.add_column("")
    for step in ladder.steps:
        style = "bold" if step is ladder.chosen else None
        table.add_row(*_row(step), style=style)
    for name, why in ladder.skipped.items():
        table.add_row(name, *[""] * 7, why, style="dim")
    return table


def ladder_cells(step: Step) -> tuple[str, ...]:
    """Return one line of the ladder as text; without seconds, which differ from run to run."""
    score, entry = step.score, step.entry
    place, worst = score.worst_place
    return (
        entry.name,
        f"{score.average_precision:.3f}",
        f"{score.mean_place:.0%}",
        f"{worst:.0%} {place}",
        _change(step.difference),
        _short(entry.parameters),
        _short(entry.added_macs),
        step.verdict,
    )


def ladder_values(ladder: Ladder) -> dict[str, object]:
    """Return the ladder as JSON values."""
    return {
        "chosen": ladder.chosen.entry.name,
        "held_out_by": ladder.level,
        "labels_used": ladder.labels_used,
        "skipped": dict(ladder.skipped),
        "steps": [_values(step) for step in ladder.steps],
    }


def _row(step: Step) -> tuple[str, ...]:
    *figures, verdict = ladder_cells(step)
    return (*figures, f"{step.seconds:.1f}", verdict)


def _values(step: Step) -> dict[str, object]:
    score, entry, difference = step.score, step.entry, step.difference
    place, worst = score.worst_place
    return {
        "method": entry.name,
        "rung": entry.rung,
        "fusion_class": entry.fusion,
        "slots": list(entry.slots),
        "share": step.share,
        "setting": dict(step.setting),
        "average_precision": round(score.average_precision, 6),
        "log_loss": round(score.log_loss, 6),
        "mean_place": round(score.mean_place, 6),
        "worst_place": {"location": place, "right": round(worst, 6)},
        "f1_change": None if difference is None else _interval(difference),
        "trained_parameters": entry.parameters,
        "added_macs": entry.added_macs,
        "seconds": round(step.seconds, 2),
        "kept": step.kept,
        "verdict": step.verdict,
    }


def _interval(difference: Difference) -> dict[str, float | None]:
    interval = difference.interval
    known = interval.is_known
    return {
        "estimate": round(interval.estimate, 6),
        "low": round(interval.low, 6) if known else None,
        "high": round(interval.high, 6) if known else None,
    }


def _change(difference: Difference | None) -> str:
    if difference is None:
        return ""
    interval = difference.interval
    if not interval.is_known:
        return f"{interval.estimate:+.3f}"
    return f"{interval.estimate:+.3f} ({interval.low:+.3f} to {interval.high:+.3f})"


def _short(number: int) -> str:
    for size, letter in _UNITS:
        if number >= size:
            return f"{number / size:.3g} {letter}"
    return str(number)
