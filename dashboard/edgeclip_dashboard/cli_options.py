"""Options that several commands of `edgeclip-dashboard` share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Project = Annotated[str | None, typer.Option(help="Whose devices the database holds.")]
Database = Annotated[str | None, typer.Option(help="A SQLite file, or a SQLAlchemy URL.")]
Config = Annotated[Path | None, typer.Option(help="dashboard.toml; options win.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
