"""The ladder of `--method auto` as a table for a person, and as plain values for files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich import box
from rich.console import Console, ConsoleOptions
from rich.table import Table

from edgeclip.contract.deltas import BAKE_ONLY
from edgeclip.evaluation.bootstrap import Difference
from edgeclip.ladder import Ladder, Step

_UNITS = ((1_000_000, "M"), (1_000, "k"))
_WIDE = ("", "method", "AP", "mean\nplace", "worst\nplace", "change of F1\n(95 % interval)",
         "trained", "class,\nslots", "added\nMACs", "fits\ns", "verdict")  # fmt: skip
_NARROW = (*_WIDE[:6], "verdict")
_TEXTS = ("", "method", "verdict")
_WIDE_COLUMNS = 100


LADDER_HEADER = ("rung", "method", "average precision", "mean place", "worst place",
                 "change of F1 (95 % interval)", "trained", "class", "slots", "added operations",
                 "verdict")  # fmt: skip


class LadderTable:
    """One line a method: figures on places left out, what it costs, and the verdict.

    Where fewer than 100 columns are there (a terminal's 80, a pipe, a log), costs give way, which
    the report has too; figures, rung and verdict never do. The kept rung has a star.

    Args:
        ladder: Climbed.
    """

    def __init__(self, ladder: Ladder) -> None:
        self._ladder = ladder

    def __rich_console__(self, _: Console, options: ConsoleOptions) -> Iterator[Table]:
        """Yield the table for the columns that there are."""
        yield self._table(_WIDE if options.max_width >= _WIDE_COLUMNS else _NARROW)

    def _table(self, columns: Sequence[str]) -> Table:
        ladder = self._ladder
        table = Table(
            title=f"\nMethods, judged on images held out by {ladder.level}"
            f" ({ladder.labels_used} labelled images)",
            title_justify="left",
            caption="* kept",
            caption_justify="left",
            box=box.SIMPLE_HEAD,
            show_edge=False,
            pad_edge=False,
            padding=0,
        )
        for name in columns:
            is_figure = name not in _TEXTS
            table.add_column(
                name, justify="right" if is_figure else "left", no_wrap=name != "verdict"
            )
        for step in ladder.steps:
            is_chosen = step is ladder.chosen
            cells = _row(step, is_chosen=is_chosen)
            table.add_row(*(cells[name] for name in columns), style="bold" if is_chosen else None)
        return table


def ladder_skipped(ladder: Ladder) -> list[str]:
    """Return why each method that was left out was not tried."""
    return [f"{name}: {why}" for name, why in ladder.skipped.items()]


def ladder_cells(step: Step) -> tuple[str, ...]:
    """Return one line of the ladder as text; without seconds, which differ from run to run.

    As `LADDER_HEADER` names them.
    """
    score, entry = step.score, step.entry
    place, worst = score.worst_place
    return (
        entry.rung,
        entry.name,
        f"{score.average_precision:.3f}",
        f"{score.mean_place:.0%}",
        f"{worst:.0%} {place}",
        _change(step.difference),
        _short(entry.parameters),
        entry.fusion,
        ", ".join(entry.slots) or "-",
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


def _row(step: Step, *, is_chosen: bool) -> dict[str, str]:
    """Return the cells of one line by column; the worst place and the slots are in the report."""
    rung, name, precision, mean, _, _, trained, fusion, _, added, verdict = ladder_cells(step)
    separator = ",\n" if fusion == BAKE_ONLY else ", "
    cells = (
        f"{rung}*" if is_chosen else rung,
        name,
        precision,
        mean,
        f"{step.score.worst_place[1]:.0%}",
        _change(step.difference, digits=2).replace(" to ", ".."),
        trained,
        f"{fusion}{separator}{len(step.entry.slots)}",
        added,
        f"{step.seconds:.1f}",
        verdict,
    )
    return dict(zip(_WIDE, cells, strict=True))


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


def _change(difference: Difference | None, *, digits: int = 3) -> str:
    if difference is None:
        return ""
    interval = difference.interval
    figures = (interval.estimate, interval.low, interval.high)
    estimate, low, high = (f"{figure:+.{digits}f}" for figure in figures)
    return f"{estimate} ({low} to {high})" if interval.is_known else estimate


def _short(number: int) -> str:
    for size, letter in _UNITS:
        if number >= size:
            return f"{number / size:.3g} {letter}"
    return str(number)
