"""What the commands show to a person: rich tables of a data set."""

from __future__ import annotations

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

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


def plain_table(title: str) -> Table:
    """Return an empty table without lines, its title on the left."""
    return Table(
        title=title,
        title_justify="left",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        collapse_padding=True,
    )


def _places(summary: DataSummary) -> Table:
    totals: dict[str, int] = {}
    for line in summary.classes:
        for place, count in line.by_location.items():
            totals[place] = totals.get(place, 0) + count
    places = sorted(totals, key=lambda name: (-totals[name], name))
    shown, rest = places[:_MOST_PLACES], places[_MOST_PLACES:]
    table = plain_table(f"{summary.source}: images by class and location")
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
    table = plain_table(f"\nSplit by {summary.split}" if summary.split else "\nNo split")
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
    table = plain_table(f"\nLeft out or doubted: {counts}")
    for column in ("kind", "where", "what"):
        table.add_column(column, overflow="fold")
    for problem in summary.problems[:_MOST_PROBLEMS]:
        table.add_row(problem.kind, problem.where, problem.what)
    if len(summary.problems) > _MOST_PROBLEMS:
        table.add_row("", f"and {len(summary.problems) - _MOST_PROBLEMS} more", "see --json")
    return table
