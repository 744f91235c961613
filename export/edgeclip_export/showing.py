"""What the commands of the exporter share: arguments, and how checks and JSON are printed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from edgeclip_export.checks import Check

Bundle = Annotated[Path, typer.Argument(help="The bundle's folder.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a machine.")]


def show_check(as_json: bool) -> Callable[[Check], None]:
    """Return what prints a check: people read them as they come, machines at the end."""

    def show(check: Check) -> None:
        if not as_json:
            print(check.line(), flush=True)  # noqa: T201

    return show


def print_json(content: Mapping[str, Any]) -> None:
    """Print what a machine reads."""
    print(json.dumps(content, indent=2))  # noqa: T201
