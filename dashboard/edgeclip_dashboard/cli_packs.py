"""`edgeclip-dashboard pack ...`: what lies here to be sent, and what of it can go."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgeclip.contract.plurals import megabytes
from edgeclip_dashboard.cli_options import AsJson, Config, Database, Project, settings_of
from edgeclip_dashboard.cli_transactions import print_rows

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from edgeclip_dashboard.field.deliveries import PackShelf

pack_app = typer.Typer(
    help="See the packs that lie here, and remove those that no device needs.",
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
)
Packs = Annotated[Path | None, typer.Option(help="Folder of the packs.")]


@pack_app.command("list")
def list_packs(
    as_json: AsJson = False,
    packs: Packs = None,
    project: Project = None,
    database: Database = None,
    config: Config = None,
) -> None:
    """List the packs that lie here, and why one stays."""
    from sqlalchemy.orm import Session

    from edgeclip_dashboard.field.clearing import read_shelf

    with (
        _shelf(packs, project, database, config) as (engine, shelf, now),
        Session(engine) as session,
    ):
        rows = [
            {
                "sha256": one.kept.sha256 if as_json else one.kept.sha256[:12],
                "packs": one.kept.name,
                "size": one.kept.size_bytes if as_json else megabytes(one.kept.size_bytes),
                "came_at": one.kept.written_at,
                "stays": one.reason if as_json else one.reason or "no device needs it",
            }
            for one in read_shelf(session, shelf, now)
        ]
    print_rows(rows, as_json=as_json)


@pack_app.command("remove")
def remove(
    name: Annotated[str, typer.Argument(help="task@version, or how its SHA-256 begins.")],
    packs: Packs = None,
    project: Project = None,
    database: Database = None,
    config: Config = None,
) -> None:
    """Remove a pack that no device shall have or runs; devices keep what they have taken."""
    from sqlalchemy.orm import Session

    from edgeclip_dashboard.deeds import COMMAND_LINE
    from edgeclip_dashboard.field.clearing import find_on_shelf, read_shelf, remove_pack

    with _shelf(packs, project, database, config) as (engine, shelf, now):
        with Session(engine) as session:
            found = find_on_shelf(read_shelf(session, shelf, now), name)
        gone = remove_pack(engine, shelf, COMMAND_LINE, found.kept.sha256, now)
    print(f"{gone.name} is removed: {megabytes(gone.size_bytes)} are free again")


@contextmanager
def _shelf(
    packs: Path | None, project: str | None, database: str | None, config: Path | None
) -> Iterator[tuple[Engine, PackShelf, datetime]]:
    """Yield the store and the shelf of the settings, and the time."""
    from edgeclip_dashboard.database import database_url, join_database
    from edgeclip_dashboard.field.deliveries import PackShelf

    settings = settings_of(
        config, project=project, store={"database": database}, commands={"packs": packs}
    )
    url = database_url(settings.store.database)
    with join_database(url, project=settings.project) as engine:
        shelf = PackShelf(settings.commands.packs, settings.commands.pack_max_bytes)
        yield engine, shelf, datetime.now(timezone.utc)
