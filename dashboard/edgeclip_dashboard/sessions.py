"""Open sessions, in the database: a random token in the browser's cookie, its hash here."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.orm import Session

from edgeclip_dashboard.models_people import Account, SignIn

_NOTED_EVERY: Final = timedelta(minutes=1)  # a page asks for dozens of files; one write is enough


@dataclass(frozen=True)
class Lifetimes:
    """How long a session lasts.

    Attributes:
        idle: After the last request, or the last sign of life of an open page.
        longest: After the sign-in, whatever happens.
    """

    idle: timedelta
    longest: timedelta


@dataclass(frozen=True)
class OpenSession:
    """A session that is valid now, and whose it is."""

    account_id: int
    name: str
    role: str
    must_change: bool
    csrf: str
    seen_at: datetime


def token_sha256(token: str) -> str:
    """Return what is stored of a token: 64 hex digits."""
    return hashlib.sha256(token.encode()).hexdigest()


def open_session(session: Session, account: Account, lifetimes: Lifetimes, now: datetime) -> str:
    """Open a session and return its token, which is nowhere kept; those that ended are removed."""
    token = secrets.token_urlsafe(32)
    session.execute(delete(SignIn).where(_has_ended(lifetimes, now)))
    session.add(
        SignIn(
            token_sha256=token_sha256(token),
            account_id=account.id,
            csrf=secrets.token_urlsafe(24),
            created_at=now,
            seen_at=now,
            expires_at=now + lifetimes.longest,
        )
    )
    return token


def find_session(
    session: Session, token: str, lifetimes: Lifetimes, now: datetime
) -> OpenSession | None:
    """Return the session of a token, or None: unknown, ended, or its account is disabled."""
    query = (
        select(SignIn, Account)
        .join(Account, Account.id == SignIn.account_id)
        .where(SignIn.token_sha256 == token_sha256(token), Account.is_disabled.is_(False))
        .where(~_has_ended(lifetimes, now))
    )
    found = session.execute(query).one_or_none()
    if found is None:
        return None
    row, account = found
    return OpenSession(
        account.id, account.name, account.role, account.must_change, row.csrf, row.seen_at
    )


def is_to_be_noted(found: OpenSession, now: datetime) -> bool:
    """Say whether it is long enough ago that the session was last noted as in use."""
    return now - found.seen_at >= _NOTED_EVERY


def note_seen(session: Session, token: str, now: datetime) -> None:
    """Note that a session is in use."""
    row = SignIn.token_sha256 == token_sha256(token)
    session.execute(update(SignIn).where(row).values(seen_at=now))


def end_session(session: Session, token: str) -> None:
    """End one session."""
    session.execute(delete(SignIn).where(SignIn.token_sha256 == token_sha256(token)))


def end_all_sessions(session: Session, account_id: int) -> None:
    """End all sessions of an account, on all machines."""
    session.execute(delete(SignIn).where(SignIn.account_id == account_id))


def _has_ended(lifetimes: Lifetimes, now: datetime) -> ColumnElement[bool]:
    return (SignIn.expires_at <= now) | (SignIn.seen_at <= now - lifetimes.idle)
