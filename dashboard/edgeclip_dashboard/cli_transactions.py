"""What commands share that read or write the database, also while the dashboard serves it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeclip_dashboard.cli_options import settings_of

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


@contextmanager
def transaction(
    project: str | None, database: str | None, config: Path | None
) -> Iterator[tuple[Session, datetime]]:
    """Yield a transaction of the dashboard's database, and the time."""
    from sqlalchemy.orm import Session

    from edgeclip_dashboard.database import database_url, join_database

    settings = settings_of(config, project=project, store={"database": database})
    url = database_url(settings.store.database)
    with (
        join_database(url, project=settings.project) as engine,
        Session(engine) as session,
        session.begin(),
    ):
        yield session, datetime.now(timezone.utc)


def print_rows(rows: list[dict[str, Any]], *, as_json: bool) -> None:
    """Print rows of equal keys: as JSON, or as columns with their titles."""
    if as_json:
        print(json.dumps(rows, indent=2, default=datetime.isoformat))
        return
    texts = [
        {
            key: f"{value:%Y-%m-%d %H:%M} UTC" if isinstance(value, datetime) else str(value)
            for key, value in row.items()
        }
        for row in rows
    ]
    if not texts:
        print("none yet")
        return
    texts.insert(0, {key: key.removesuffix("_at") for key in texts[0]})
    widths = {key: max(len(text[key]) for text in texts) for key in texts[0]}
    for text in texts:
        print("  ".join(value.ljust(widths[key]) for key, value in text.items()).rstrip())
