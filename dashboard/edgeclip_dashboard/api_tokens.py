"""Tokens for programs that read the API: shown once, kept as a hash, for a limited time."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from edgeclip.errors import ConfigError
from edgeclip_dashboard import deeds
from edgeclip_dashboard.accounts import account_name, account_role
from edgeclip_dashboard.identity import Identity
from edgeclip_dashboard.models_people import ApiToken
from edgeclip_dashboard.sessions import token_sha256

PREFIX: Final = "edgeclip_"
"""Begins every token, so that one that leaked is recognised."""


def add_token(
    session: Session, by: Identity, name: str, role: str, *, lifetime: timedelta, at: datetime
) -> str:
    """Add a token and return it; it is nowhere kept.

    Raises:
        ConfigError: A wrong name, one that is taken, or a role that a program may not have.
    """
    name = account_name(name)
    if account_role(role) == "admin":
        raise ConfigError("a token is a viewer's or a reviewer's: what admins do, people do")
    token = PREFIX + secrets.token_urlsafe(32)
    session.add(
        ApiToken(
            name=name,
            role=role,
            token_sha256=token_sha256(token),
            created_at=at,
            expires_at=at + lifetime,
        )
    )
    try:
        session.flush()
    except IntegrityError as error:
        raise ConfigError(f"there is a token {name}: take another name") from error
    deeds.note(session, by, "token added", f"{name}, {role}", at)
    return token


def identity_of_token(session: Session, token: str, now: datetime) -> Identity | None:
    """Return who shows a token, or None: unknown or out of date."""
    row = session.scalar(
        select(ApiToken).where(
            ApiToken.token_sha256 == token_sha256(token), ApiToken.expires_at > now
        )
    )
    return None if row is None else Identity(f"token {row.name}", account_role(row.role))


def all_tokens(session: Session) -> list[ApiToken]:
    """Return all tokens by name, also those that are out of date."""
    return list(session.scalars(select(ApiToken).order_by(ApiToken.name)))


def revoke_token(session: Session, by: Identity, name: str, at: datetime) -> None:
    """Remove a token; it opens nothing from now on.

    Raises:
        ConfigError: There is none of that name.
    """
    known = session.scalar(select(ApiToken).where(ApiToken.name == name.strip().casefold()))
    if known is None:
        raise ConfigError(f"there is no token {name!r}: `edgeclip-dashboard token list` has all")
    session.execute(delete(ApiToken).where(ApiToken.id == known.id))
    deeds.note(session, by, "token revoked", known.name, at)
