"""What commands print: for people on stdout with the next command last, or JSON for machines."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console, RenderableType
from rich.markup import escape
from rich.table import Table


def show(what: RenderableType) -> None:
    """Print text with rich's markup, a table or a group."""
    Console().print(what)


def print_json(content: object) -> None:
    """Print indented JSON."""
    print(json.dumps(content, indent=2, ensure_ascii=False))


def whole_table(*headers: str) -> Table:
    """Return an empty table whose cells are folded, not cut: names differ in how they end.

    Args:
        headers: Of its columns, without markup.
    """
    table = Table()
    for header in headers:
        table.add_column(escape(header), overflow="fold")
    return table


def next_command(words: Sequence[str]) -> None:
    """Print the command that usually comes next, as a shell takes it.

    Args:
        words: Of the command, unquoted: a path may have blanks in it.
    """
    Console().print(f"next: [bold]{escape(shlex.join(words))}[/]", soft_wrap=True)


def bundle_words(pack: Path, *, is_bake_only: bool = False) -> list[str]:
    """Return the command that exports a pack or set, a word each."""
    bake = ["--bake"] if is_bake_only else []
    return ["edgeclip-export", "bundle", "--pack", str(pack), "--out", "bundle/", *bake]
