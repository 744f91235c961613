"""The case study as a table on the terminal and as a learning curve in a picture."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

Figures = Mapping[str, Any]

_WIDTH = 140
_MARKS = {"resnet50": "s--", "zero-shot": "x:", "probe": "o-."}


def show_table(figures: Mapping[str, Mapping[str, Figures]]) -> None:
    """Print each contender's figures at each number of images.

    Args:
        figures: Number of leopard images -> contender -> `figures_of`.
    """
    table = Table(title="leopard at unseen locations, 95 % intervals by location")
    for column in ("images", "contender", "precision", "recall", "F1", "AP", "trained", "fewer"):
        table.add_column(column, justify="left" if column == "contender" else "right")
    for count, rows in figures.items():
        for name, row in rows.items():
            table.add_row(
                count, name, *(_with_interval(row[key]) for key in ("precision", "recall", "f1")),
                f"{row['average_precision']:.3f}", f"{row['trainable_params']:,}",
                f"{row['fewer_than_resnet50']} x" if "fewer_than_resnet50" in row else "",
            )  # fmt: skip
        table.add_section()
    Console(width=_WIDTH).print(table)  # a narrow terminal wraps lines; cut cells would be lost


def draw_curve(figures: Mapping[str, Mapping[str, Figures]], path: Path) -> None:
    """Write F1 over the number of leopard images, a line a contender, its interval shaded."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4.5), layout="constrained")
    for name in dict.fromkeys(name for rows in figures.values() for name in rows):
        counts = [count for count, rows in figures.items() if name in rows]
        values = [figures[count][name]["f1"] for count in counts]
        places = [int(count) for count in counts]
        line = axes.plot(places, [v[0] for v in values], _MARKS.get(name, "o-"), label=name)[0]
        low, high = ([_number(v[side]) for v in values] for side in (1, 2))
        axes.fill_between(places, low, high, alpha=0.12, color=line.get_color(), linewidth=0)
    axes.set(
        xscale="log", xlabel="labelled leopard images (as many blanks and others)",
        ylabel="F1 of the leopard at unseen locations", ylim=(0, 1),
    )  # fmt: skip
    ticks = [int(count) for count in figures]
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=130)
    pyplot.close(figure)


def _with_interval(values: list[float | None]) -> str:
    middle, low, high = (_number(value) for value in values)
    return f"{middle:.3f} ({low:.2f}-{high:.2f})"


def _number(value: float | None) -> float:
    return float("nan") if value is None else value
