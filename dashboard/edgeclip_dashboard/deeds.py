"""The book of who did what: rows are only added."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from edgeclip_dashboard.identity import Identity
from edgeclip_dashboard.models_people import Deed

COMMAND_LINE = Identity("command line", "admin")
"""Who acts through `edgeclip-dashboard` on the server itself."""


def note(session: Session, identity: Identity, deed: str, subject: str, at: datetime) -> None:
    """Add a deed to the session's transaction, so that both are kept or neither.

    Args:
        session: In which the deed itself is done.
        identity: Who does it.
        deed: What, in a few words: `signed in`, `account added`; at most 64 characters.
        subject: To what; any text, shown as text.
        at: When.
    """
    session.add(Deed(at=at, account_name=identity.name, deed=deed, subject=subject))


def newest_deeds(session: Session, count: int, *, before: int | None = None) -> list[Deed]:
    """Return the newest deeds, newest first.

    Args:
        session: To read with.
        count: At most this many.
        before: Only those with a smaller id, for the next page.
    """
    query = select(Deed).order_by(Deed.id.desc()).limit(count)
    return list(session.scalars(query if before is None else query.where(Deed.id < before)))
