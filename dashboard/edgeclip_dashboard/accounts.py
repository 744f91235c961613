"""Accounts: who may sign in, with which role; each change leaves a deed and ends open sessions."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from edgeclip.errors import ConfigError, DashboardError
from edgeclip_dashboard import deeds
from edgeclip_dashboard.identity import ROLES, Identity, Role
from edgeclip_dashboard.models_people import Account
from edgeclip_dashboard.passwords import hash_password, one_time_password
from edgeclip_dashboard.sessions import end_all_sessions
from edgeclip_dashboard.turns import turn_of

FIRST_ADMIN: Final = "admin"
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._@-]{0,63}")


def account_name(text: str) -> str:
    """Return a name as it is stored: small letters, so that no two look alike by case.

    Raises:
        ConfigError: It is no name of an account.
    """
    name = text.strip().casefold()
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"{text!r} is no name of an account or token: take 1 to 64 letters a to z, digits,"
            " '.', '_', '@' or '-', beginning with a letter or digit"
        )
    return name


def account_role(text: str) -> Role:
    """Return a role.

    Raises:
        ConfigError: There is no such role.
    """
    for role in ROLES:
        if text == role:
            return role
    raise ConfigError(f"{text!r} is no role: take one of {', '.join(ROLES)}")


def add_first_admin(session: Session, at: datetime) -> str | None:
    """Add the account `admin` where there is none at all; return its one-time password.

    Returns:
        None where somebody has an account, also if another instance was faster.
    """
    if session.scalar(select(func.count()).select_from(Account)):
        return None
    try:
        with session.begin_nested():
            return add_account(session, deeds.COMMAND_LINE, FIRST_ADMIN, "admin", at)
    except ConfigError:
        return None


def add_account(session: Session, by: Identity, name: str, role: Role, at: datetime) -> str:
    """Add an account; return its one-time password, which is nowhere kept.

    Raises:
        ConfigError: It is no name of an account, or one that is taken.
    """
    name, password = account_name(name), one_time_password()
    account = Account(
        name=name,
        role=role,
        password_hash=hash_password(password),
        must_change=True,
        is_disabled=False,
        created_at=at,
    )
    session.add(account)
    try:
        session.flush()
    except IntegrityError as error:
        raise ConfigError(f"there is an account {name}: take another name") from error
    deeds.note(session, by, "account added", f"{name}, {role}", at)
    return password


def find_account(session: Session, name: str) -> Account:
    """Return an account.

    Raises:
        ConfigError: There is none of that name.
    """
    account = session.scalar(select(Account).where(Account.name == name.strip().casefold()))
    if account is None:
        raise ConfigError(
            f"there is no account {name!r}: `edgeclip-dashboard account list` has all"
        )
    return account


def all_accounts(session: Session) -> list[Account]:
    """Return all accounts by name."""
    return list(session.scalars(select(Account).order_by(Account.name)))


def reset_password(session: Session, by: Identity, name: str, at: datetime) -> str:
    """Give an account a new one-time password, enable it and end its sessions; return it.

    Raises:
        ConfigError: There is no such account.
    """
    account, password = find_account(session, name), one_time_password()
    account.password_hash = hash_password(password)
    account.must_change, account.is_disabled = True, False
    end_all_sessions(session, account.id)
    deeds.note(session, by, "password reset", account.name, at)
    return password


def disable_account(session: Session, by: Identity, name: str, at: datetime) -> None:
    """Let an account sign in no more, and end its sessions; what it did stays.

    Raises:
        ConfigError: There is no such account.
        DashboardError: It is the last admin.
    """
    account = find_account(session, name)
    _refuse_the_last_admin(session, account)
    account.is_disabled = True
    end_all_sessions(session, account.id)
    deeds.note(session, by, "account disabled", account.name, at)


def change_role(session: Session, by: Identity, name: str, role: Role, at: datetime) -> None:
    """Give an account another role, and end its sessions, which had the old one.

    Raises:
        ConfigError: There is no such account.
        DashboardError: It is the last admin.
    """
    account = find_account(session, name)
    if account.role == role:
        return
    _refuse_the_last_admin(session, account)
    account.role = role
    end_all_sessions(session, account.id)
    deeds.note(session, by, "role changed", f"{account.name}, {role}", at)


def change_password(session: Session, account: Account, password: str, at: datetime) -> None:
    """Set the password that a person chose, and end all sessions of the account."""
    account.password_hash = hash_password(password)
    account.must_change = False
    end_all_sessions(session, account.id)
    person = Identity(account.name, account_role(account.role))
    deeds.note(session, person, "password changed", account.name, at)


def _refuse_the_last_admin(session: Session, account: Account) -> None:
    turn_of(session, "last admin")  # two instances could else each take one of two
    others = select(Account.id).where(
        Account.role == "admin", Account.is_disabled.is_(False), Account.id != account.id
    )
    if account.role == "admin" and session.scalar(others.limit(1)) is None:
        raise DashboardError(f"{account.name} is the last admin: make another account admin first")
