"""Which notices are due: claimed for a while, and settled when they have been told."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Final

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from edgeclip_dashboard.clock_fixes import known_time
from edgeclip_dashboard.models import DetectionRow
from edgeclip_dashboard.models_field import Deployment
from edgeclip_dashboard.models_notices import Notice, Rule
from edgeclip_dashboard.notices.noting import take_back
from edgeclip_dashboard.notices.retries import MOST_TRIES, next_try
from edgeclip_dashboard.notices.rules import RuleForm, rule_from_row
from edgeclip_dashboard.notices.states import (
    ACKNOWLEDGED,
    DUE,
    ESCALATED,
    FAILED,
    RETRACTING,
    SENT,
    TAKEN_BACK,
    UNTOLD,
    WAITING,
    WATCHED,
    WITHDRAWN,
)
from edgeclip_dashboard.zones import noted_zone

_LEASE: Final = timedelta(minutes=5)
_MOST_AT_ONCE: Final = 500


@dataclass(frozen=True)
class Told:
    """A detection as people are told of it; names are as the device gave them.

    Attributes:
        zone: The time zone of its place; None where nobody has noted one.
        is_by_arrival: The device's clock is not trusted: `occurred_at` is when it came here.
    """

    detection_id: str
    what: str
    probability: float | None
    severity: str
    is_test: bool
    place: str
    device: str
    occurred_at: datetime
    zone: tzinfo | None
    is_by_arrival: bool
    votes: tuple[int, int] | None


@dataclass(frozen=True)
class Claimed:
    """A notice that is due, for this process alone until its lease ends.

    Attributes:
        state: When it was claimed.
        taken: Fingerprints of the channels that took it at an earlier try.
        is_overdue: Nobody could acknowledge in time, because not everybody was told.
    """

    notice_id: int
    rule_id: int
    rule: RuleForm
    detection: Told
    state: str
    is_urgent: bool
    is_escalated: bool
    is_overdue: bool
    taken: frozenset[str]


@dataclass(frozen=True)
class Outcome:
    """What came of a try.

    Attributes:
        taken: Fingerprints of all channels that have taken the notice by now.
        failures: Why the others have not, a line each.
        has_escalated: A channel of the escalation is among those that took it.
    """

    taken: frozenset[str]
    failures: tuple[str, ...]
    has_escalated: bool


def claim_due(
    engine: Engine, now: datetime, busy: Mapping[int, datetime] | None = None
) -> list[Claimed]:
    """Claim what is due, urgent ones first; another process leaves it alone for five minutes.

    Args:
        engine: Of the database.
        now: Aware UTC.
        busy: Rules that have told enough for now, and until when what they have new waits.

    Raises:
        SQLAlchemyError: The database cannot be read or written.
    """
    query = (
        select(Notice)
        .where(Notice.state.in_(DUE), Notice.next_try_at <= now)
        .order_by(Notice.is_urgent.desc(), Notice.id)
        .limit(_MOST_AT_ONCE)
        .with_for_update(skip_locked=True)  # SQLite has one process, and no such words
    )
    with Session(engine) as session, session.begin():
        notices = session.scalars(query).all()
        rules = _rules(session, {notice.rule_id for notice in notices})
        claimed = []
        for notice in notices:
            free_at = busy.get(notice.rule_id) if busy else None
            if notice.state == WAITING and free_at is not None:
                notice.next_try_at = free_at
            else:
                claimed.append(_claim(session, notice, rules.get(notice.rule_id), now))
    return [one for one in claimed if one is not None]


def _rules(session: Session, ids: set[int]) -> dict[int, RuleForm]:
    rows = session.scalars(select(Rule).where(Rule.id.in_(ids), Rule.is_enabled))
    return {row.id: rule_from_row(row) for row in rows}


def _claim(
    session: Session, notice: Notice, rule: RuleForm | None, now: datetime
) -> Claimed | None:
    row = session.get(DetectionRow, notice.detection_id)
    if rule is None or row is None:
        notice.state = WITHDRAWN
        return None
    notice.next_try_at = now + _LEASE
    after_s = rule.escalate_after_s
    return Claimed(
        notice_id=notice.id,
        rule_id=notice.rule_id,
        rule=rule,
        detection=told_of(session, row),
        state=notice.state,
        is_urgent=notice.is_urgent,
        is_escalated=notice.escalated_at is not None,
        is_overdue=notice.is_urgent
        and after_s is not None
        and now - notice.created_at >= timedelta(seconds=after_s),
        taken=frozenset(json.loads(notice.told)),
    )


def told_of(session: Session, row: DetectionRow) -> Told:
    """Return what people are told of a detection."""
    place = session.get(Deployment, row.deployment_id)
    if row.failure is not None:
        what = f"failure {row.failure}"
    else:
        what = row.class_name or row.observation_type
    votes = None if row.votes_frames is None else (row.votes_agreeing or 0, row.votes_frames)
    return Told(
        detection_id=row.detection_id,
        what=what,
        probability=row.probability,
        severity=row.severity,
        is_test=row.is_test,
        place=place.name if place and place.name else row.deployment_id,
        device=f"{row.deployment_id}, camera {row.camera_id}, device {row.device_id}",
        zone=noted_zone(place.time_zone) if place else None,
        occurred_at=known_time(row),
        is_by_arrival=known_time(row) != row.occurred_at,
        votes=votes,
    )


def settle(engine: Engine, outcomes: Sequence[tuple[Claimed, Outcome]], now: datetime) -> None:
    """Note what came of a message; what changed meanwhile, as by an acknowledgement, stays so.

    Args:
        engine: Of the database.
        outcomes: Of all notices that the message told, settled in one transaction.
        now: Aware UTC.

    Raises:
        SQLAlchemyError: The database cannot be written: the lease ends, and it is tried again.
    """
    by_id = {claimed.notice_id: (claimed, outcome) for claimed, outcome in outcomes}
    query = select(Notice).where(Notice.id.in_(by_id)).with_for_update()
    with Session(engine) as session, session.begin():
        for notice in session.scalars(query).all():
            _settle(notice, *by_id[notice.id], now)


def _settle(notice: Notice, claimed: Claimed, outcome: Outcome, now: datetime) -> None:
    notice.error = "\n".join(outcome.failures)
    if outcome.has_escalated and notice.escalated_at is None:
        notice.escalated_at = now
    if claimed.state in UNTOLD and outcome.taken and notice.sent_at is None:
        notice.sent_at = now
    if notice.state != claimed.state:
        if notice.state == WITHDRAWN and outcome.taken:
            take_back(notice, now)
        return
    notice.told = json.dumps(sorted(outcome.taken))
    if outcome.failures:
        _try_again(notice, now)
    else:
        _go_on(notice, claimed, now)


def _try_again(notice: Notice, now: datetime) -> None:
    notice.tries += 1
    notice.next_try_at = next_try(notice.tries, now)
    if notice.tries >= MOST_TRIES:
        notice.state = FAILED


def _go_on(notice: Notice, claimed: Claimed, now: datetime) -> None:
    """Put a notice that everybody took into the state that follows."""
    after_s = claimed.rule.escalate_after_s
    notice.tries, notice.told = 0, "[]"
    if claimed.state == RETRACTING:
        notice.state = TAKEN_BACK
    elif notice.escalated_at is not None:
        notice.state = ESCALATED
    elif claimed.is_urgent and after_s is not None:
        notice.state, notice.next_try_at = WATCHED, now + timedelta(seconds=after_s)
    else:
        notice.state = SENT


def acknowledge(session: Session, notice: Notice, by: str, at: datetime) -> bool:
    """Note that somebody has seen it, so that nothing is told further; False if it was no news.

    Args:
        session: With the notice; the caller commits.
        notice: Any.
        by: Who; at most 64 characters.
        at: Now, aware UTC.
    """
    if notice.acknowledged_at is not None or notice.state in (TAKEN_BACK, WITHDRAWN):
        return False
    notice.acknowledged_at, notice.acknowledged_by = at, by[:64]
    if notice.state != RETRACTING:
        notice.state = ACKNOWLEDGED
    session.flush()
    return True
