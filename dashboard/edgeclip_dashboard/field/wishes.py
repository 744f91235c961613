"""Which pack each device shall have: the newest that was sent to it from here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session

from edgeclip_dashboard.field.asked import AskedView, asked_view
from edgeclip_dashboard.models_field import CommandRow

_SENDS: Final = CommandRow.name == "pack_add"
_JOINS: Final = " + "  # between the names of the packs that decide together, as devices tell them
_CUT: Final = "…"  # where a device had more to say


@dataclass(frozen=True)
class PackWish:
    """What a device was sent.

    Attributes:
        sent: The newest pack that was sent, with what became of it.
        taken: The newest that the device took and has still; None where there is none.
        taken_back: The newest that was taken back, if that was after `sent`.
        promoted: The newest that people let decide, if that was after `sent`.
    """

    sent: AskedView
    taken: AskedView | None
    taken_back: AskedView | None
    promoted: AskedView | None

    @property
    def sha256(self) -> str:
        """Of the delivery that the device shall have."""
        return self.sent.sha256

    def is_open(self, now: datetime) -> bool:
        """Say whether the device may still take it, and needs its file here for that."""
        return not self.sent.is_final and now <= self.sent.not_after

    def holds(self, now: datetime) -> set[str]:
        """Return the deliveries that are this device's desired state.

        What was refused, or never answered, leaves it with the one that it took before.
        """
        if self.taken_back is not None:
            return set()
        held = {self.sha256} if self.is_open(now) else set()
        return held | ({self.taken.sha256} if self.taken else set())


def read_wishes(session: Session) -> Mapping[str, PackWish]:
    """Return what each device was sent, by device; those that were sent nothing are not there."""
    is_done = CommandRow.state == "done"
    sent = newest_asked(session, _SENDS)
    taken = newest_asked(session, _SENDS & is_done)
    back = newest_asked(session, (CommandRow.name == "pack_rollback") & is_done)
    promoted = newest_asked(session, (CommandRow.name == "pack_promote") & is_done)
    return {
        device_id: _wish(view, taken.get(device_id), back.get(device_id), promoted.get(device_id))
        for device_id, view in sent.items()
    }


def _wish(
    sent: AskedView,
    taken: AskedView | None,
    back: AskedView | None,
    promoted: AskedView | None,
) -> PackWish:
    has_still = taken is not None and _after(back, taken) is None
    return PackWish(sent, taken if has_still else None, _after(back, sent), _after(promoted, sent))


def names_in(told: str | None) -> tuple[str, ...]:
    """Return the packs that a device tells, each as task@version."""
    return tuple(filter(None, (told or "").split(_JOINS)))


def tells_of(told: str | None, name: str) -> bool:
    """Say whether what a device tells to run names a pack.

    Args:
        told: `task@version`, several joined by ` + `, cut at 64 characters; None: nothing yet.
        name: `task@version`.
    """
    return any(
        part == name or (part.endswith(_CUT) and name.startswith(part.removesuffix(_CUT)))
        for part in names_in(told)
    )


def _after(later: AskedView | None, sent: AskedView) -> AskedView | None:
    is_later = later is not None and later.issued_at >= sent.issued_at
    return later if is_later else None


def newest_asked(session: Session, condition: ColumnElement[bool]) -> dict[str, AskedView]:
    """Return the newest command of a kind to each device that got one, by device."""
    return {found.device_id: asked_view(found) for found in session.scalars(newest_of(condition))}


def newest_of(condition: ColumnElement[bool]) -> Select[CommandRow]:
    """Return the query of the newest command to each device.

    Args:
        condition: On `name`, and `state` if need be: the index `newest_commands` has no more.
    """
    row = CommandRow
    newest = (
        select(row.device_id, func.max(row.command_id).label("command_id"))  # ids sort by time
        .where(condition)
        .group_by(row.device_id)
        .subquery()
    )
    return select(row).join(newest, row.command_id == newest.c.command_id)
