"""Tells people what is due, and tries again what a channel did not take."""

from __future__ import annotations

import logging
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone
from typing import Final

from sqlalchemy import Engine

from edgeclip_dashboard.notices.channels import Send, fingerprint, masked, send
from edgeclip_dashboard.notices.claims import Claimed, Outcome, claim_due, settle
from edgeclip_dashboard.notices.links import Links, link_key
from edgeclip_dashboard.notices.states import QUIET, RETRACTING, UNTOLD, WATCHED
from edgeclip_dashboard.notices.texts import TAKEN_BACK, UNANSWERED, Addresses, one, several

log = logging.getLogger(__name__)

_ALONE: Final = 3
"""More than these of one rule in a minute are told together: nobody reads fifty messages."""
_MINUTE: Final = timedelta(minutes=1)
_BEFORE: Final = {RETRACTING: TAKEN_BACK, WATCHED: UNANSWERED}


def utc_now() -> datetime:
    """Return the time now, aware UTC."""
    return datetime.now(timezone.utc)


class Teller:
    """Tells people; several processes may have one each on the same database.

    Args:
        engine: Of the database.
        public_url: How people reach the dashboard, for links in messages, or None.
        clock: Gives the time now, aware UTC.
        tell: Tells one channel.
        on_change: Called when notices have changed.
    """

    def __init__(
        self,
        engine: Engine,
        public_url: str | None,
        *,
        clock: Callable[[], datetime] = utc_now,
        tell: Send = send,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self._engine = engine
        self._public_url = public_url
        self._clock = clock
        self._tell = tell
        self._on_change = on_change
        self._links: Links | None = None
        self._told_at: dict[int, deque[datetime]] = defaultdict(deque)  # of each rule, lately

    def step(self, go_on: Callable[[], bool] = lambda: True) -> None:
        """Tell everything that is due now.

        Args:
            go_on: Asked before each message; what is left is due again when its lease ends.

        Raises:
            SQLAlchemyError: The database cannot be read or written; what was told before is noted.
        """
        now = self._clock()
        claimed = claim_due(self._engine, now, self._busy(now))
        broken: dict[str, str] = {}
        for group in _groups(claimed):
            if not go_on():
                return
            self._told_at[group[0].rule_id].append(self._clock())
            outcomes = self._tell_group(group, broken)
            told = [(notice, outcomes[notice.notice_id]) for notice in group]
            settle(self._engine, told, self._clock())
            self._on_change()

    def _busy(self, now: datetime) -> dict[int, datetime]:
        """Return the rules that told several times in the last minute, and until when they wait."""
        for times in self._told_at.values():
            while times and now - times[0] >= _MINUTE:
                times.popleft()
        return {
            rule_id: times[-_ALONE] + _MINUTE
            for rule_id, times in self._told_at.items()
            if len(times) >= _ALONE
        }

    def _tell_group(self, group: Sequence[Claimed], broken: dict[str, str]) -> dict[int, Outcome]:
        """Tell each channel what it has not taken yet.

        Args:
            group: Notices of one rule in one state that are told in one message.
            broken: Channels that took nothing in this round, with the reason; they are waited
                for once only.
        """
        taken = {notice.notice_id: set(notice.taken) for notice in group}
        failures: dict[int, list[str]] = defaultdict(list)
        for url, wanting in _audience(group).items():
            mark = fingerprint(url)
            rest = [notice for notice in wanting if mark not in notice.taken]
            if not rest:
                continue
            reason = broken.get(mark) or self._say(url, rest)
            if reason is None:
                for notice in rest:
                    taken[notice.notice_id].add(mark)
                continue
            broken[mark] = reason
            for notice in rest:
                failures[notice.notice_id].append(f"{masked(url)}: {reason}")
        return {notice.notice_id: _outcome(notice, taken, failures) for notice in group}

    def _say(self, url: str, notices: Sequence[Claimed]) -> str | None:
        before = _BEFORE.get(notices[0].state, "")
        if len(notices) == 1:
            title, body = one(notices[0], self._addresses(), before=before)
        else:
            title, body = several(notices, self._addresses(), before=before)
        reason = self._tell(url, title, body)
        if reason is not None:
            log.warning("rule %s: %s: %s", notices[0].rule.name, masked(url), reason)
        return reason

    def _addresses(self) -> Addresses:
        public_url = self._public_url or ""
        if self._links is None:
            self._links = Links(link_key(self._engine), self._clock)
        links = self._links
        return Addresses(self._public_url, lambda notice_id: links.make(public_url, notice_id))


def _groups(claimed: Sequence[Claimed]) -> list[list[Claimed]]:
    """Return what is told in one message each: single notices, or many of a rule together."""
    alike: dict[tuple[int, str], list[Claimed]] = defaultdict(list)
    for notice in claimed:
        alike[notice.rule_id, notice.state].append(notice)
    groups: list[list[Claimed]] = []
    for (_, state), notices in alike.items():
        is_together = state == QUIET or len(notices) > _ALONE
        groups += [notices] if is_together else [[notice] for notice in notices]
    return groups


def _audience(group: Sequence[Claimed]) -> dict[str, list[Claimed]]:
    """Return the channels that are to be told, each with the notices that are for it."""
    wanting: dict[str, list[Claimed]] = defaultdict(list)
    for notice in group:
        rule = notice.rule
        urls = list(rule.escalate_channels if notice.state == WATCHED else rule.channels)
        if notice.is_escalated or (notice.is_overdue and notice.state in UNTOLD):
            urls += rule.escalate_channels
        for url in dict.fromkeys(urls):
            wanting[url].append(notice)
    return wanting


def _outcome(
    notice: Claimed, taken: dict[int, set[str]], failures: dict[int, list[str]]
) -> Outcome:
    marks = frozenset(taken[notice.notice_id])
    escalation = {fingerprint(url) for url in notice.rule.escalate_channels}
    is_late = notice.is_overdue and notice.state in UNTOLD
    return Outcome(
        taken=marks,
        failures=tuple(failures[notice.notice_id]),
        has_escalated=(is_late or notice.state == WATCHED) and not escalation.isdisjoint(marks),
    )
