"""What the commands show to a person: rich tables of a data set and of a training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from edgeclip.evaluation.result import Evaluation
from edgeclip.splits import PARTS
from edgeclip.summary import DataSummary

_MOST_PLACES = 12  # columns that a terminal holds
_MOST_PROBLEMS = 20


def data_tables(summary: DataSummary) -> Group:
    """Return class x location, classes with their parts, problems and warnings of a data set."""
    blocks: list[RenderableType] = [_places(summary), _classes(summary), _facts(summary)]
    if summary.problems:
        blocks.append(_problems(summary))
    if summary.split_problem:
        blocks.append(Text(f"no split: {summary.split_problem}", style="bold red"))
    blocks += [Text(f"warning: {warning}", style="yellow") for warning in summary.warnings]
    return Group(*blocks)


def evaluation_tables(
    evaluations: Mapping[str, Evaluation],
    class_names: Sequence[str],
    *,
    title: str = "held-out test images",
) -> Group:
    """Return figures side by side, and the confusion matrix of the last of the evaluations."""
    blocks: list[RenderableType] = [*_targets(evaluations, title), _overall(evaluations)]
    name, last = list(evaluations.items())[-1]
    confusion = _table(f"\nConfusion, {name} (row true, column likeliest)")
    confusion.add_column("")
    for column in class_names:
        confusion.add_column(column, justify="right")
    for label, row in zip(class_names, last.confusion, strict=True):
        confusion.add_row(label, *(str(count) for count in row))
    return Group(*blocks, confusion)


def _table(title: str) -> Table:
    return Table(
        title=title,
        title_justify="left",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        collapse_padding=True,
    )


def _targets(evaluations: Mapping[str, Evaluation], title: str) -> list[Table]:
    tables = []
    for target in next(iter(evaluations.values())).targets:
        table = _table(f"\n{target}: {title}")
        table.add_column("")
        for column in (
            "threshold", "precision", "recall", "F1", "average\nprecision", "found",
            "false\nalarms",
        ):  # fmt: skip
            table.add_column(column, justify="right")
        for name, result in evaluations.items():
            s = result.targets[target]
            figures = (s.threshold, s.precision, s.recall, s.f1, s.average_precision)
            shown = (f"{figure:.3f}" for figure in figures)
            table.add_row(name, *shown, f"{s.found} of {s.support}", str(s.false_alarms))
        tables.append(table)
    return tables


def _overall(evaluations: Mapping[str, Evaluation]) -> Table:
    table = _table("\nAll images")
    for column in ("", "images", "accuracy", "ECE", "worst place", "right there"):
        table.add_column(column, justify="right")
    for name, result in evaluations.items():
        place, share = result.worst_place
        table.add_row(
            name, str(result.images), f"{result.accuracy:.3f}", f"{result.ece:.3f}", place,
            f"{share:.0%}",
        )  # fmt: skip
    return table


def _places(summary: DataSummary) -> Table:
    totals: dict[str, int] = {}
    for line in summary.classes:
        for place, count in line.by_location.items():
            totals[place] = totals.get(place, 0) + count
    places = sorted(totals, key=lambda name: (-totals[name], name))
    shown, rest = places[:_MOST_PLACES], places[_MOST_PLACES:]
    table = _table(f"{summary.source}: images by class and location")
    table.add_column("location")
    for line in summary.classes:
        table.add_column(line.name, justify="right")
    for place in shown:
        counts = (line.by_location.get(place, 0) for line in summary.classes)
        table.add_row("unknown" if place == "?" else place, *(str(n or "") for n in counts))
    if rest:
        sums = (sum(line.by_location.get(p, 0) for p in rest) for line in summary.classes)
        table.add_row(f"and {len(rest)} more", *(str(n or "") for n in sums))
    return table


def _classes(summary: DataSummary) -> Table:
    table = _table(f"\nSplit by {summary.split}" if summary.split else "\nNo split")
    table.add_column("class")
    for column in ("images", "sequences", "locations", "infrared", *PARTS):
        table.add_column(column, justify="right")
    for line in summary.classes:
        figures = (line.images, line.sequences, line.locations, line.infrared)
        name = f"{line.name} *" if line.name in summary.targets else line.name
        parts = (line.by_part[part] for part in PARTS)
        table.add_row(name, *(str(figure) for figure in (*figures, *parts)))
    table.caption = "* target"
    table.caption_justify = "left"
    return table


def _facts(summary: DataSummary) -> Text:
    first = (
        f"{summary.rows} labelled files named, {summary.usable} usable, "
        f"{summary.infrared_share:.0%} infrared, {summary.small_images} thumbnails, "
        f"{sum(line.with_box for line in summary.classes)} with a box"
    )
    lines = [first]
    if summary.left_out:
        labels = ", ".join(
            f"{label} {count}" for label, count in list(summary.left_out.items())[:8]
        )
        more = len(summary.left_out) - 8
        tail = f" and {more} more labels" if more > 0 else ""
        lines.append(f"without a class: {sum(summary.left_out.values())} ({labels}{tail})")
    lines += [f"assumed: {note}" for note in summary.notes]
    return Text("\n".join(lines))


def _problems(summary: DataSummary) -> Table:
    counts = ", ".join(f"{kind} {count}" for kind, count in summary.problem_counts().items())
    table = _table(f"\nLeft out or doubted: {counts}")
    for column in ("kind", "where", "what"):
        table.add_column(column, overflow="fold")
    for problem in summary.problems[:_MOST_PROBLEMS]:
        table.add_row(problem.kind, problem.where, problem.what)
    if len(summary.problems) > _MOST_PROBLEMS:
        table.add_row("", f"and {len(summary.problems) - _MOST_PROBLEMS} more", "see --json")
    return table
