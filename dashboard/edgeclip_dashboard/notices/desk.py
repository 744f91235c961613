"""Rules as admins write them, and notices as people see them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from edgeclip.errors import ConfigError, DashboardError
from edgeclip_dashboard.deeds import note
from edgeclip_dashboard.identity import Identity
from edgeclip_dashboard.models import DetectionRow
from edgeclip_dashboard.models_notices import Notice, Rule
from edgeclip_dashboard.notices.claims import Told, told_of
from edgeclip_dashboard.notices.rules import RuleForm, rule_from_row
from edgeclip_dashboard.notices.states import DUE, FAILED, OPEN, WAITING, WITHDRAWN


@dataclass(frozen=True)
class RuleView:
    """A rule that is stored."""

    rule_id: int
    form: RuleForm


@dataclass(frozen=True)
class NoticeView:
    """A notice with what it tells of; `told` is None where the detection is gone."""

    notice_id: int
    rule_name: str
    told: Told | None
    state: str
    is_urgent: bool
    error: str
    created_at: datetime
    next_try_at: datetime
    sent_at: datetime | None
    escalated_at: datetime | None
    acknowledged_at: datetime | None
    acknowledged_by: str | None


def all_rules(session: Session) -> list[RuleView]:
    """Return all rules by name."""
    rows = session.scalars(select(Rule).order_by(Rule.name))
    return [RuleView(row.id, rule_from_row(row)) for row in rows]


def find_rule(session: Session, name: str) -> RuleView:
    """Return a rule by its name.

    Raises:
        ConfigError: There is none; the message names those that there are.
    """
    row = session.scalars(select(Rule).where(Rule.name == name)).first()
    if row is None:
        known = ", ".join(view.form.name for view in all_rules(session)) or "none yet"
        raise ConfigError(f"no rule is called {name!r}: there are {known}")
    return RuleView(row.id, rule_from_row(row))


def save_rule(
    session: Session, identity: Identity, form: RuleForm, at: datetime, *, rule_id: int | None
) -> None:
    """Store a new rule, or write an old one anew.

    Args:
        session: An open transaction.
        identity: The admin.
        form: What the rule says now.
        at: Now, aware UTC.
        rule_id: Of the old one, or None.

    Raises:
        DashboardError: Another rule has its name, or the old one is gone.
    """
    other = session.scalars(select(Rule.id).where(Rule.name == form.name)).first()
    if other is not None and other != rule_id:
        raise DashboardError(f"another rule is called {form.name!r}: choose another name")
    if rule_id is None:
        session.add(Rule(**form.to_columns(), created_by=identity.name, created_at=at))
        note(session, identity, "rule added", form.name, at)
        return
    row = _rule(session, rule_id)
    for name, value in form.to_columns().items():
        setattr(row, name, value)
    note(session, identity, "rule changed", form.name, at)


def switch_rule(
    session: Session, identity: Identity, rule_id: int, at: datetime, *, is_on: bool
) -> None:
    """Switch a rule on or off; off, what it still had to tell is not told.

    Raises:
        DashboardError: It is gone.
    """
    row = _rule(session, rule_id)
    row.is_enabled = is_on
    if not is_on:
        _withdraw(session, rule_id)
    note(session, identity, f"rule switched {'on' if is_on else 'off'}", row.name, at)


def remove_rule(session: Session, identity: Identity, rule_id: int, at: datetime) -> None:
    """Remove a rule; its notices stay on the page, and what it still had to tell is not told.

    Raises:
        DashboardError: It is gone already.
    """
    row = _rule(session, rule_id)
    _withdraw(session, rule_id)
    note(session, identity, "rule removed", row.name, at)
    session.delete(row)


def newest_notices(
    session: Session, count: int, *, states: tuple[str, ...] = ()
) -> list[NoticeView]:
    """Return the newest notices, newest first.

    Args:
        session: To read with.
        count: At most this many.
        states: Only these; all where it is empty.
    """
    query = select(Notice).order_by(Notice.id.desc()).limit(count)
    notices = session.scalars(query.where(Notice.state.in_(states)) if states else query).all()
    names = {row.id: row.name for row in session.scalars(select(Rule))}
    return [_view(session, notice, names) for notice in notices]


def _view(session: Session, notice: Notice, names: dict[int, str]) -> NoticeView:
    row = session.get(DetectionRow, notice.detection_id)
    same = [name for name in NoticeView.__dataclass_fields__ if hasattr(Notice, name)]
    return NoticeView(
        notice_id=notice.id,
        rule_name=names.get(notice.rule_id, "a rule that was removed"),
        **{name: getattr(notice, name) for name in same if name != "told"},
        told=told_of(session, row) if row else None,
    )


def find_open_notice(session: Session, notice_id: int) -> Notice | None:
    """Return a notice that somebody can acknowledge, or None."""
    notice = session.get(Notice, notice_id, with_for_update=True)
    return notice if notice is not None and notice.state in OPEN else None


def try_again(session: Session, notice_id: int, at: datetime) -> None:
    """Have a notice that was given up told again; anything else stays as it is."""
    notice = session.get(Notice, notice_id, with_for_update=True)
    if notice is not None and notice.state == FAILED:
        notice.state, notice.tries, notice.next_try_at = WAITING, 0, at


def _rule(session: Session, rule_id: int) -> Rule:
    row = session.get(Rule, rule_id)
    if row is None:
        raise DashboardError("that rule was removed meanwhile: open the page again")
    return row


def _withdraw(session: Session, rule_id: int) -> None:
    due = update(Notice).where(Notice.rule_id == rule_id, Notice.state.in_(DUE))
    session.execute(due.values(state=WITHDRAWN))
