"""What commands print: for people on stdout with the next command last, or JSON for machines."""

from __future__ import annotations

import json

from rich.console import Console, RenderableType
from rich.markup import escape


def show(what: RenderableType) -> None:
    """Print text with rich's markup, a table or a group."""
    Console().print(what)


def print_json(content: object) -> None:
    """Print indented JSON."""
    print(json.dumps(content, indent=2, ensure_ascii=False))


def next_command(command: str) -> None:
    """Print the command that usually comes next."""
    Console().print(f"next: [bold]{escape(command)}[/]", soft_wrap=True)
