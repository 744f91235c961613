"""Options that several commands of `edgeclip-dashboard` share, and the settings that they give."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from edgeclip_dashboard.config import DashboardSettings

Project = Annotated[str | None, typer.Option(help="Whose devices the database holds.")]
Database = Annotated[str | None, typer.Option(help="A SQLite file, or a SQLAlchemy URL.")]
Config = Annotated[Path | None, typer.Option(help="dashboard.toml; options win.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def settings_of(config: Path | None, **options: Any) -> DashboardSettings:
    """Return the settings of a file and of the options that were given over it.

    Args:
        config: `dashboard.toml`, or None.
        options: Keys and tables of the settings; what is None was not given.

    Raises:
        ConfigError: The file cannot be read, or a key or value is wrong.
    """
    from edgeclip_dashboard.config import load_settings

    return load_settings(config, _given(options))


def _given(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options that were given, without empty tables."""
    given: dict[str, Any] = {}
    for key, value in options.items():
        chosen = _given(value) if isinstance(value, dict) else value
        if chosen is not None and chosen != {}:
            given[key] = str(chosen) if isinstance(chosen, Path) else chosen
    return given
