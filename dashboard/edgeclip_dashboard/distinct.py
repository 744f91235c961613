"""The values that occur in an indexed column, found by leaps: not by reading a season's rows."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import InstrumentedAttribute, Session


def values_of(
    session: Session, column: InstrumentedAttribute[str] | InstrumentedAttribute[str | None]
) -> Sequence[str]:
    """Return each value once, in order, without null.

    Args:
        session: To read with.
        column: The first column of an index; each value then costs one look into it.
    """
    found = select(func.min(column).label("value")).cte("found", recursive=True)
    following = select(func.min(column)).where(column > found.c.value).scalar_subquery()
    found = found.union_all(select(following).where(found.c.value.is_not(None)))
    return session.scalars(select(found.c.value).where(found.c.value.is_not(None))).all()
