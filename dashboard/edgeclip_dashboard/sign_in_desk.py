"""Sign in, change the password, sign out: what the pages ask of the accounts."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from edgeclip.errors import DashboardError
from edgeclip_dashboard import deeds
from edgeclip_dashboard.accounts import account_role, change_password
from edgeclip_dashboard.guesses import forget_tries, note_try, seconds_to_wait
from edgeclip_dashboard.identity import Identity
from edgeclip_dashboard.models_people import Account
from edgeclip_dashboard.passwords import hash_password, is_outdated, is_right, password_problem
from edgeclip_dashboard.sessions import (
    Lifetimes,
    end_all_sessions,
    end_session,
    open_session,
)
from edgeclip_dashboard.turns import turn_of

log = logging.getLogger(__name__)

_WRONG = "Name or password is wrong, or the account is disabled."


class RefusedError(DashboardError):
    """Nobody is signed in by this; the message is for the person.

    Args:
        told: What to show.
        wait_s: How long the next try has to wait; 0 if it need not.
    """

    def __init__(self, told: str, wait_s: int = 0) -> None:
        super().__init__(told)
        self.wait_s = wait_s


@dataclass(frozen=True)
class Try:
    """Name and password as typed, and from where."""

    name: str
    password: str
    address: str


class SignInDesk:
    """Looks at names and passwords; every method blocks, so it is called in a worker thread.

    Args:
        engine: Of the database.
        lifetimes: Of the sessions that it opens.
        now: The clock.
    """

    def __init__(
        self,
        engine: Engine,
        lifetimes: Lifetimes,
        now: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
    ) -> None:
        self._engine = engine
        self._lifetimes = lifetimes
        self._now = now

    def sign_in(self, tried: Try, old_token: str | None) -> str:
        """Return the token of a new session.

        Args:
            tried: Who wants in.
            old_token: Of the session that the browser had; it ends.

        Raises:
            RefusedError: Wrong, disabled, or too soon after wrong ones.
            SQLAlchemyError: The database cannot be read or written.
        """
        account_id = self._check(tried)
        now = self._now()
        with Session(self._engine) as session, session.begin():
            account = session.get_one(Account, account_id)
            if is_outdated(account.password_hash):
                account.password_hash = hash_password(tried.password)
            if old_token:
                end_session(session, old_token)
            deeds.note(session, _identity(account), "signed in", tried.address, now)
            return open_session(session, account, self._lifetimes, now)

    def change(self, tried: Try, chosen: str) -> str:
        """Set a new password, end all sessions of the account, return the token of a new one.

        Args:
            tried: Who it is, with the present password.
            chosen: The new password.

        Raises:
            RefusedError: The present one is wrong, or the new one will not do.
            SQLAlchemyError: The database cannot be read or written.
        """
        problem = password_problem(chosen, tried.name)
        if problem is None and chosen == tried.password:
            problem = "The new password is the old one."
        if problem is not None:
            raise RefusedError(problem)
        account_id = self._check(tried)
        now = self._now()
        with Session(self._engine) as session, session.begin():
            account = session.get_one(Account, account_id)
            change_password(session, account, chosen, now)
            return open_session(session, account, self._lifetimes, now)

    def sign_out(self, name: str, token: str, *, everywhere: bool) -> None:
        """End a session, or all of its account."""
        with Session(self._engine) as session, session.begin():
            account = session.scalars(select(Account).where(Account.name == name)).one()
            if everywhere:
                end_all_sessions(session, account.id)
            else:
                end_session(session, token)
            deed = "signed out everywhere" if everywhere else "signed out"
            deeds.note(session, _identity(account), deed, account.name, self._now())

    def _check(self, tried: Try) -> int:
        """Return the account's id; a wrong try has been noted before its password is looked at."""
        now = self._now()
        with Session(self._engine) as session, session.begin():
            turn_of(session, "sign in")  # or each instance would let a guess of its own through
            wait_s = seconds_to_wait(session, tried.name, tried.address, now)
            if wait_s:
                raise RefusedError(f"Too many wrong tries: wait {wait_s} s.", wait_s)
            number = note_try(session, tried.name, tried.address, now)
            named = Account.name == tried.name.strip().casefold()
            found = session.execute(
                select(Account.id, Account.password_hash).where(
                    named, Account.is_disabled.is_(False)
                )
            ).one_or_none()
        if not is_right(tried.password, found and found.password_hash) or found is None:
            log.warning("a sign-in from %s was refused", tried.address)
            raise RefusedError(_WRONG)
        with Session(self._engine) as session, session.begin():
            forget_tries(session, tried.name, number)
        account_id: int = found.id
        return account_id


def _identity(account: Account) -> Identity:
    return Identity(account.name, account_role(account.role))
