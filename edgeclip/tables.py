"""What the commands show to a person: rich tables of a data set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Literal

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from edgeclip.split_rows import PARTS
from edgeclip.summary import ClassLine, DataSummary

_MOST_PLACES = 12
_MOST_CLASSES = 8  # columns that a terminal holds
_MOST_OF_A_KIND = 5


def data_tables(summary: DataSummary) -> Group:
    """Return class x location, classes with their parts, problems and warnings of a data set."""
    blocks: list[RenderableType] = [_places(summary), _classes(summary), _facts(summary)]
    if summary.problems:
        blocks.append(_problems(summary))
    if summary.split_problem:
        blocks.append(Text(f"no split: {summary.split_problem}", style="bold red"))
    blocks += [Text(f"warning: {warning}", style="yellow") for warning in summary.warnings]
    return Group(*blocks)


def reading_tables(summary: DataSummary) -> Group:
    """Return what was read of a data set, what was assumed, and what was left out or doubted."""
    read: list[RenderableType] = [_facts(summary)]
    return Group(*read, *([_problems(summary)] if summary.problems else []))


def plain_table(title: str) -> Table:
    """Return an empty table without lines, its title on the left."""
    return Table(
        title=title,
        title_justify="left",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        collapse_padding=True,
        min_width=len(title.strip()),  # else a narrow table breaks its title
    )


def _places(summary: DataSummary) -> Table:
    """Return class x location, the largest classes and locations first, the rest summed."""
    totals: Counter[str] = Counter()
    for line in summary.classes:
        totals.update(line.by_location)
    places = sorted(totals, key=lambda name: (name == "?", -totals[name], name))
    largest = sorted(summary.classes, key=lambda line: -line.images)[:_MOST_CLASSES]
    shown = [line for line in summary.classes if line in largest]
    others = [line for line in summary.classes if line not in largest]
    table = plain_table(f"{summary.source}: images by class and location")
    for column in ("location", *(line.name for line in shown)):
        justify: Literal["left", "right"] = "left" if column == "location" else "right"
        table.add_column(column, justify=justify, overflow="fold")
    if others:
        table.add_column(f"{len(others)} others", justify="right", overflow="fold")
    columns = [[line] for line in shown] + [others] * bool(others)
    for place in places[:_MOST_PLACES]:
        table.add_row("unknown" if place == "?" else place, *_counts(columns, [place]))
    if rest := places[_MOST_PLACES:]:
        table.add_row(f"and {len(rest)} more", *_counts(columns, rest))
    return table


def _counts(columns: Sequence[Sequence[ClassLine]], places: Sequence[str]) -> list[str]:
    """Return the images of each column's classes at some places; nothing for none."""
    sums = (sum(line.by_location.get(p, 0) for line in own for p in places) for own in columns)
    return [str(count or "") for count in sums]


def _classes(summary: DataSummary) -> Table:
    table = plain_table(f"\nSplit by {summary.split}" if summary.split else "\nNo split")
    table.padding = 0  # with two blanks between the columns 80 are too few
    table.add_column("class", overflow="fold")
    for column in ("images", "se-\nquences", "lo-\ncations", "infrared", *map(_short, PARTS)):
        table.add_column(column, justify="right", no_wrap=True)
    for line in summary.classes:
        figures = (line.images, line.sequences, line.locations, line.infrared)
        name = f"{line.name} *" if line.name in summary.targets else line.name
        parts = (line.by_part[part] for part in PARTS)
        table.add_row(name, *(str(figure) for figure in (*figures, *parts)))
    table.caption = "* target"
    table.caption_justify = "left"
    return table


def _short(part: str) -> str:
    return part.replace("validation", "vali-\ndation")


def _facts(summary: DataSummary) -> Text:
    first = (
        f"{summary.rows} labelled files named, {summary.usable} usable, "
        f"{summary.infrared_share:.0%} infrared, {summary.small_images} thumbnails, "
        f"{sum(line.with_box for line in summary.classes)} with a box"
    )
    lines = [first, _bursts(summary), _times(summary)]
    if summary.left_out:
        labels = ", ".join(
            f"{label} {count}" for label, count in list(summary.left_out.items())[:8]
        )
        more = len(summary.left_out) - 8
        tail = f" and {more} more labels" if more > 0 else ""
        lines.append(f"without a class: {sum(summary.left_out.values())} ({labels}{tail})")
    lines += [f"assumed: {note}" for note in summary.notes]
    return Text("\n".join(lines))


def _bursts(summary: DataSummary) -> str:
    text = (
        f"{summary.sequences} sequences, {summary.bursts} of them bursts (the longest of"
        f" {summary.longest_burst})"
    )
    if summary.shots:
        text += f"; {summary.alike} images show {summary.shots} shots or scenes several times"
    return text


def _times(summary: DataSummary) -> str:
    if not summary.times:
        return "no image has a time"
    origins = ", ".join(f"{count} by {origin}" for origin, count in summary.times.items())
    known = sum(summary.times.values())
    days = f"{(summary.first or '')[:10]} to {(summary.last or '')[:10]}"
    return f"{known} with a time ({origins}), {days}"


def _problems(summary: DataSummary) -> Table:
    counts = ", ".join(f"{kind} {count}" for kind, count in summary.problem_counts().items())
    table = plain_table(f"\nLeft out or doubted: {counts}")
    for column in ("kind", "where", "what"):
        table.add_column(column, overflow="fold")
    for kind in summary.problem_counts():
        own = [problem for problem in summary.problems if problem.kind == kind]
        for problem in own[:_MOST_OF_A_KIND]:
            table.add_row(problem.kind, problem.where, problem.what)
        if len(own) > _MOST_OF_A_KIND:
            table.add_row(kind, f"and {len(own) - _MOST_OF_A_KIND} more", "all: --json")
    return table
