"""Who asks, told from a request's cookie or token; or everybody, on the loopback interface."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Final, Protocol
from urllib.parse import urlsplit

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session
from starlette.requests import HTTPConnection

from edgeclip_dashboard.accounts import account_role
from edgeclip_dashboard.api_tokens import identity_of_token
from edgeclip_dashboard.config import DashboardSettings, is_loopback
from edgeclip_dashboard.identity import Identity
from edgeclip_dashboard.sessions import Lifetimes, find_session, is_to_be_noted, note_seen

_TOKEN_PATHS: Final = ("/api/", "/metrics", "/media/", "/healthz")
_BEARER: Final = "bearer "


@dataclass(frozen=True)
class Visitor:
    """Somebody who may come in.

    Attributes:
        identity: Name and role.
        csrf: What this visitor's forms must send back; empty where there are none.
        must_change: Only the page that changes the password is open.
    """

    identity: Identity
    csrf: str = ""
    must_change: bool = False


class Visitors(Protocol):
    """Tells who asks."""

    def find(self, connection: HTTPConnection) -> Visitor | None:
        """Return who asks, or None for a stranger; called in a worker thread.

        Raises:
            SQLAlchemyError: The database cannot be read.
        """


class KnownVisitors:
    """People with a session, and programs with a token.

    Args:
        engine: Of the database.
        settings: The whole configuration.
        now: The clock.
    """

    def __init__(
        self,
        engine: Engine,
        settings: DashboardSettings,
        now: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
    ) -> None:
        self._engine = engine
        self._cookies = Cookies(settings)
        self._lifetimes = lifetimes(settings)
        self._now = now

    def find(self, connection: HTTPConnection) -> Visitor | None:
        """Return whose session or token it is."""
        path, shown = connection.scope["path"], connection.headers.get("authorization", "")
        if shown.lower().startswith(_BEARER) and path.startswith(_TOKEN_PATHS):
            return self._of_token(shown[len(_BEARER) :].strip())
        token = self._cookies.token(connection)
        return self._of_session(token) if token else None

    def _of_token(self, token: str) -> Visitor | None:
        with Session(self._engine) as session:
            identity = identity_of_token(session, token, self._now())
        return None if identity is None else Visitor(identity)

    def _of_session(self, token: str) -> Visitor | None:
        now = self._now()
        with Session(self._engine) as session:
            found = find_session(session, token, self._lifetimes, now)
        if found is None:
            return None
        if is_to_be_noted(found, now):
            self._note_seen(token, now)
        identity = Identity(found.name, account_role(found.role))
        return Visitor(identity, found.csrf, found.must_change)

    def _note_seen(self, token: str, now: datetime) -> None:
        try:
            with Session(self._engine) as session, session.begin():
                note_seen(session, token, now)
        except SQLAlchemyError:  # a full disk must not hide the page that says so
            return


class EveryVisitor:
    """Everybody on this machine, as an admin; names of other machines are refused.

    A page elsewhere could let its own name lead to the loopback address, and so read ours.
    """

    def find(self, connection: HTTPConnection) -> Visitor | None:
        """Return everybody's identity where the loopback interface was asked by its name."""
        host = urlsplit(f"//{connection.headers.get('host', '')}").hostname
        return Visitor(Identity("everyone", "admin")) if host and is_loopback(host) else None


class Cookies:
    """The cookie that holds a session's token.

    Args:
        settings: The whole configuration; cookies are shared by all ports of a host, so the
            project is in the name.
    """

    def __init__(self, settings: DashboardSettings) -> None:
        self._name = f"edgeclip_{settings.project}"
        self._is_public_https = (settings.page.public_url or "").startswith("https:")

    def is_secure(self, connection: HTTPConnection) -> bool:
        """Say whether the browser speaks https, here or with a proxy before us."""
        return self._is_public_https or connection.url.scheme in ("https", "wss")

    def name(self, connection: HTTPConnection) -> str:
        """Return the cookie's name; behind https one that no other host can set."""
        return f"__Host-{self._name}" if self.is_secure(connection) else self._name

    def token(self, connection: HTTPConnection) -> str | None:
        """Return the token that a browser sent."""
        return connection.cookies.get(self.name(connection))


def lifetimes(settings: DashboardSettings) -> Lifetimes:
    """Return how long sessions last."""
    table = settings.sign_in
    return Lifetimes(timedelta(hours=table.idle_hours), timedelta(days=table.longest_days))
