"""What an evaluation of a set shows to a person: who answered, and how right it was."""

from __future__ import annotations

from rich.console import Group
from rich.markup import escape

from edgeclip.evaluating_set import SetResult
from edgeclip.tables import plain_table
from edgeclip.wording import decimal


def set_tables(result: SetResult) -> Group:
    """Return a table of the packs that answered, and one of the classes that alert."""
    who = plain_table(f"{result.images} images, {result.accuracy:.1%} of them named rightly")
    who.add_column("answered by")
    who.add_column("images", justify="right")
    for name, count in result.answered.items():
        who.add_row(escape(name), str(count))
    who.add_row("prompts alone", str(result.prompts_alone))
    found = plain_table("at the thresholds of the packs that answered")
    for column in ("class", "recall", "precision", "found", "false alarms"):
        found.add_column(column, justify="left" if column == "class" else "right")
    for name, score in result.targets.items():
        figures = (score.recall, score.precision)
        found.add_row(
            escape(name),
            *("-" if value is None else decimal(value) for value in figures),
            f"{score.found} of {score.support}",
            str(score.false_alarms),
        )
    return Group(who, found)
