"""Wrong passwords make the next try wait, longer each time: by name and by address, for all."""

from __future__ import annotations

import ipaddress
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.orm import Session

from edgeclip_dashboard.models_people import FailedSignIn

_REMEMBERED: Final = timedelta(hours=1)
_FREE_BY_NAME: Final = 3  # a person mistypes
_FREE_BY_ADDRESS: Final = 10  # an office behind one address
_LONGEST_BY_NAME_S: Final = 60  # more would let a stranger lock a person out for long
_LONGEST_BY_ADDRESS_S: Final = 900


def seconds_to_wait(session: Session, name: str, address: str, now: datetime) -> int:
    """Return how long the next try for a name from an address has to wait; 0 if it may be made."""
    by_name = _wait(
        session, FailedSignIn.name == _short(name), now, (_FREE_BY_NAME, _LONGEST_BY_NAME_S)
    )
    by_address = _wait(
        session,
        FailedSignIn.address == network_of(address),
        now,
        (_FREE_BY_ADDRESS, _LONGEST_BY_ADDRESS_S),
    )
    return max(by_name, by_address)


def note_try(session: Session, name: str, address: str, now: datetime) -> int:
    """Note a try as failed before its password is looked at; return its number.

    So no burst of tries is looked at before the first of them counts.
    """
    session.execute(delete(FailedSignIn).where(FailedSignIn.at < now - _REMEMBERED))
    row = FailedSignIn(name=_short(name), address=network_of(address), at=now)
    session.add(row)
    session.flush()
    return row.id


def forget_tries(session: Session, name: str, number: int) -> None:
    """Forget the tries for a name, and the one of that number: its password was right.

    Others from the same address stay, or one's own account would let one guess at all others.
    """
    mine = (FailedSignIn.name == _short(name)) | (FailedSignIn.id == number)
    session.execute(delete(FailedSignIn).where(mine))


def network_of(address: str) -> str:
    """Return whom an address counts for: itself, or its /64 where it is of IPv6."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(found, ipaddress.IPv6Address) and not found.is_loopback:
        return str(ipaddress.ip_network((int(found) >> 64 << 64, 64)))
    return str(found)


def _wait(
    session: Session, condition: ColumnElement[bool], now: datetime, bounds: tuple[int, int]
) -> int:
    free, longest_s = bounds
    query = select(func.count(), func.max(FailedSignIn.at)).where(
        condition, FailedSignIn.at >= now - _REMEMBERED
    )
    count, last = session.execute(query).one()
    if count < free or last is None:
        return 0
    pause = timedelta(seconds=min(2 ** min(count - free, 20), longest_s))
    left = last + pause - now
    return max(0, -int(-left.total_seconds() // 1))


def _short(name: str) -> str:
    return name.strip().casefold()[:64]
