"""Packs of the shelf that no device needs any more, and taking them away."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from edgeclip.contract.plurals import first_of, megabytes
from edgeclip.errors import DashboardError
from edgeclip_dashboard import deeds
from edgeclip_dashboard.field.deliveries import Kept, PackShelf
from edgeclip_dashboard.field.wishes import read_wishes, tells_of
from edgeclip_dashboard.identity import Identity
from edgeclip_dashboard.models import Device

_MOST_NAMED: Final = 5
_BEGINNING: Final = re.compile(r"[0-9a-f]{6,64}")


@dataclass(frozen=True)
class OnShelf:
    """A delivery, and why it stays.

    Attributes:
        kept: The delivery.
        wished: Devices that shall have it.
        running: Devices that say to run one of its packs.
    """

    kept: Kept
    wished: tuple[str, ...]
    running: tuple[str, ...]

    @property
    def reason(self) -> str:
        """Why it cannot be removed; empty where it can."""
        found = []
        if self.wished:
            found.append(f"desired state of {first_of(self.wished, _MOST_NAMED)}")
        if self.running:
            found.append(f"runs on {first_of(self.running, _MOST_NAMED)}")
        return "; ".join(found)


def read_shelf(session: Session, shelf: PackShelf, now: datetime) -> tuple[OnShelf, ...]:
    """Return what lies on the shelf, the newest first.

    Args:
        session: Of the store, which knows what devices were sent and what they say.
        shelf: Has the packs.
        now: Aware UTC.
    """
    wished: Mapping[str, list[str]] = defaultdict(list)
    for device_id, wish in sorted(read_wishes(session).items()):
        for sha256 in wish.holds(now):
            wished[sha256].append(device_id)
    rows = session.execute(select(Device.device_id, Device.pack).order_by(Device.device_id)).all()
    return tuple(
        OnShelf(
            kept,
            tuple(wished.get(kept.sha256, ())),
            tuple(row.device_id for row in rows if any(tells_of(row.pack, p) for p in kept.packs)),
        )
        for kept in shelf.kept()
    )


def find_on_shelf(found: tuple[OnShelf, ...], named: str) -> OnShelf:
    """Return the delivery of a name: `task@version`, or the first digits of its SHA-256.

    Raises:
        DashboardError: There is none, or several.
    """
    is_beginning = _BEGINNING.fullmatch(named) is not None
    matching = [
        one
        for one in found
        if named in one.kept.packs or (is_beginning and one.kept.sha256.startswith(named))
    ]
    if not matching:
        raise DashboardError(f"no pack here is {named[:80]!r}: see `edgeclip-dashboard pack list`")
    if len(matching) > 1:
        hashes = ", ".join(one.kept.sha256[:12] for one in matching)
        raise DashboardError(f"several packs here are {named}: name one of {hashes}")
    return matching[0]


def remove_pack(
    engine: Engine,
    shelf: PackShelf,
    identity: Identity,
    sha256: str,
    now: datetime,
) -> Kept:
    """Remove a delivery that no device needs, with a line in the book of deeds.

    Args:
        engine: Of the store.
        shelf: Has it.
        identity: Who removes it: an admin.
        sha256: Of the delivery.
        now: Aware UTC.

    Returns:
        What was removed.

    Raises:
        DashboardError: It is gone, a device needs it, it is taught on or sent just now, by this
            process or another, or the role is not enough.
        SQLAlchemyError: The deed could not be written down; the pack is still there.
    """
    if not identity.may("admin"):
        raise DashboardError(f"the role {identity.role} is not enough to remove a pack")
    with shelf.alone_with(sha256):  # so what no device needs now, none is sent before it is gone
        kept = _not_needed(engine, shelf, sha256, now)
        subject = f"{kept.name}, {megabytes(kept.size_bytes)}, {sha256[:12]}"
        with shelf.taken_away(sha256), Session(engine) as session, session.begin():
            deeds.note(session, identity, "pack removed", subject, now)
    return kept


def _not_needed(engine: Engine, shelf: PackShelf, sha256: str, now: datetime) -> Kept:
    with Session(engine) as session:
        found = {one.kept.sha256: one for one in read_shelf(session, shelf, now)}.get(sha256)
    if found is None:
        raise DashboardError("it is not here any more")
    if found.reason:
        raise DashboardError(f"{found.kept.name} stays: {found.reason}")
    return found.kept
