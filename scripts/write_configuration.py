"""Write docs/configuration.md: every key of every file, every option of every command."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel

from edgeclip.cli import app as trainer
from edgeclip.config import Recipe
from edgeclip.contract.files import write_text
from edgeclip_dashboard.cli import app as dashboard
from edgeclip_dashboard.config import DashboardSettings
from edgeclip_device.cli import app as device
from edgeclip_device.config import DeviceSettings
from edgeclip_export.cli import app as exporter
from scripts.configuration_keys import tables_of
from scripts.configuration_options import commands_of

PAGE = Path(__file__).parents[1] / "docs/configuration.md"
_DEVICE = (
    "Of `edgeclip-device`; `check-config` says what is wrong with one. The same with words around"
    " it: [device.example.toml](../device/device.example.toml)."
)
_DASHBOARD = (
    "Of `edgeclip-dashboard`. The same with words around it:"
    " [dashboard.example.toml](../dashboard/dashboard.example.toml)."
)
_RECIPE = (
    "Of `edgeclip train --config`; `edgeclip recipe` prints one. What the numbers do:"
    " [adapters.md](adapters.md)."
)
HEAD = ("key", "type", "default", "unit", "meaning")
_INTRODUCTION = """# Configuration

Every key of the configuration files and every option of the four commands. This page is made by
`make docs` from the settings themselves, and a test fails where it says something else than they
do: mend the descriptions there, not here.

An option goes over the file, the file over the default. A key or table that is not known is
refused, with the nearest known one; a default that is empty means that the key is absent. Secrets
are no keys: [device-setup.md](device-setup.md#5-secrets) has the device's,
[dashboard.md](dashboard.md#settings) the dashboard's.
"""
_FILES: tuple[tuple[str, type[BaseModel], str], ...] = (
    ("device.toml", DeviceSettings, _DEVICE),
    ("dashboard.toml", DashboardSettings, _DASHBOARD),
    ("recipe.toml", Recipe, _RECIPE),
)
PROGRAMS = (
    ("edgeclip", trainer),
    ("edgeclip-export", exporter),
    ("edgeclip-device", device),
    ("edgeclip-dashboard", dashboard),
)


def page() -> str:
    """Return the whole page as Markdown."""
    parts = [_INTRODUCTION]
    for name, model, about in _FILES:
        parts.append(f"## {name}\n\n{about}\n")
        for table in tables_of(model):
            heading = (
                f"### {name}: `[{table.name}]`" if table.name else f"### {name}: above all tables"
            )
            rows = table.rows()
            if rows:
                parts.append(f"{heading}\n\n{table.about}\n\n{_markdown(HEAD, rows)}")
    for name, app in PROGRAMS:
        parts.append(f"## {name}\n")
        for typed, about, options in commands_of(app, name):
            text = _markdown(("option", *HEAD[1:]), options) if options else ""
            parts.append(f"### `{typed}`\n\n{about}\n" + (f"\n{text}" if text else ""))
    return "\n".join(parts)


def _markdown(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    titles = list(head)
    lines = [titles, ["---"] * len(titles), *rows]
    return "".join(f"| {' | '.join(_cell(one) for one in line)} |\n" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main() -> None:
    """Write the page."""
    argparse.ArgumentParser(description=__doc__).parse_args()  # --help writes nothing
    write_text(PAGE, page())
    print(f"wrote {PAGE.relative_to(PAGE.parents[1])}")


if __name__ == "__main__":
    main()
