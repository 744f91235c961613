"""`/accounts`: who may sign in and which programs may read; for admins."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta, timezone, tzinfo
from pathlib import Path
from typing import Final

from nicegui import ui
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session
from starlette.requests import Request

from edgeclip.errors import EdgeclipError
from edgeclip_dashboard import wording
from edgeclip_dashboard.accounts import (
    account_role,
    add_account,
    all_accounts,
    change_role,
    disable_account,
    reset_password,
)
from edgeclip_dashboard.api_tokens import add_token, all_tokens, revoke_token
from edgeclip_dashboard.identity import ROLES, Identity, identity_of
from edgeclip_dashboard.models_people import Account, ApiToken
from edgeclip_dashboard.pages.context import PageContext
from edgeclip_dashboard.pages.doing import not_stored
from edgeclip_dashboard.pages.frame import page_frame, require

_CSS = Path(__file__).with_name("people.css")
_ALL_ROLES: Final[list[str]] = list(ROLES)
_TOKEN_ROLES: Final = _ALL_ROLES[:-1]
_TOKEN_LIFETIME: Final = timedelta(days=365)

Deed = Callable[[Session, datetime], str | None]
"""Changes something in a transaction; returns a secret to be shown once, if there is one."""


def add_accounts_page(context: PageContext) -> None:
    """Register the page."""

    @ui.page("/accounts", dark=context.dark)
    async def accounts(request: Request) -> None:
        identity = identity_of(request.scope)
        require(identity, "admin")
        page = _AccountsPage(context, identity)
        await page.read()
        with page_frame(context, identity, "Accounts", css=_CSS):
            page.build()


class _AccountsPage:
    def __init__(self, context: PageContext, identity: Identity) -> None:
        self._engine = context.engine
        self._zone = context.zone
        self._identity = identity
        self._accounts: list[Account] = []
        self._tokens: list[ApiToken] = []

    async def read(self) -> None:
        """Read what there is, in a worker thread."""

        def read() -> tuple[list[Account], list[ApiToken]]:
            with Session(self._engine) as session:
                return all_accounts(session), all_tokens(session)

        self._accounts, self._tokens = await asyncio.to_thread(read)

    def build(self) -> None:
        """Build the content of the frame."""
        self._told = ui.label("").classes("told").props("role=status")
        self._told.set_visibility(False)
        with _section("People"):
            self._people = ui.element("ul").classes("people")
            self._build_adder("account", _ALL_ROLES, self._add_account)
        with _section("Programs that read the API"):
            self._programs = ui.element("ul").classes("people")
            self._build_adder("token", _TOKEN_ROLES, self._add_token)
        self._fill()

    def _fill(self) -> None:
        self._people.clear()
        with self._people:
            for account in self._accounts:
                self._build_account(account)
        self._programs.clear()
        with self._programs:
            if not self._tokens:
                ui.label("None yet.").classes("quiet")
            for token in self._tokens:
                self._build_token(token)

    def _build_account(self, account: Account) -> None:
        name = account.name
        with ui.element("li").classes("disabled" if account.is_disabled else ""):
            ui.label(name).classes("name")
            ui.label(_state(account, self._zone)).classes("state")
            role = ui.select(_ALL_ROLES, value=account.role).props("dense outlined")
            role.props["aria-label"] = f"Role of {name}"
            role.on_value_change(lambda event: self._change_role(name, event.value))
            self._button("New password", f"for {name}", lambda: self._reset(name))
            if not account.is_disabled:
                self._button("Disable", name, lambda: self._disable(name))

    def _build_token(self, token: ApiToken) -> None:
        name = token.name
        with ui.element("li"):
            ui.label(name).classes("name")
            until = wording.local(token.expires_at, self._zone)
            ui.label(f"{token.role}, until {until}").classes("state")
            self._button("Revoke", name, lambda: self._revoke(name))

    def _build_adder(
        self, what: str, roles: list[str], add: Callable[[str, str], Awaitable[None]]
    ) -> None:
        with ui.element("div").classes("adder"):
            name = ui.input(f"Name of a new {what}").props("dense outlined maxlength=64")
            role = ui.select(roles, value=roles[0], label="Role").props("dense outlined")

            async def add_and_clear() -> None:
                await add(name.value, role.value)
                name.set_value("")

            button = ui.button(f"Add {what}", color=None, on_click=add_and_clear)
            button.props("flat no-caps").classes("action")

    def _button(self, text: str, of_what: str, act: Callable[[], object]) -> None:
        button = ui.button(text, color=None, on_click=act).props("flat dense no-caps")
        button.props["aria-label"] = f"{text} {of_what}"

    async def _add_account(self, name: str, role: str) -> None:
        def add(session: Session, at: datetime) -> str:
            return add_account(session, self._identity, name, account_role(role), at)

        await self._do(add, f"One-time password of {name.strip().casefold()}")

    async def _reset(self, name: str) -> None:
        def reset(session: Session, at: datetime) -> str:
            return reset_password(session, self._identity, name, at)

        await self._do(reset, f"New one-time password of {name}")

    async def _disable(self, name: str) -> None:
        def disable(session: Session, at: datetime) -> None:
            disable_account(session, self._identity, name, at)

        await self._do(disable, f"{name} may sign in no more")

    async def _change_role(self, name: str, role: str) -> None:
        def change(session: Session, at: datetime) -> None:
            change_role(session, self._identity, name, account_role(role), at)

        await self._do(change, f"{name} is {role} now")

    async def _add_token(self, name: str, role: str) -> None:
        def add(session: Session, at: datetime) -> str:
            return add_token(session, self._identity, name, role, lifetime=_TOKEN_LIFETIME, at=at)

        await self._do(add, f"Token {name.strip().casefold()}")

    async def _revoke(self, name: str) -> None:
        def revoke(session: Session, at: datetime) -> None:
            revoke_token(session, self._identity, name, at)

        await self._do(revoke, f"The token {name} opens nothing any more")

    async def _do(self, deed: Deed, told: str) -> None:
        """Do a deed in a worker thread, then show its secret and what there is now."""

        def do() -> str | None:
            with Session(self._engine) as session, session.begin():
                return deed(session, datetime.now(timezone.utc))

        try:
            secret = await asyncio.to_thread(do)
        except EdgeclipError as error:
            told, secret = str(error), None
        except SQLAlchemyError as error:
            told, secret = not_stored(error), None
        once = f": {secret} (shown this once)" if secret else "."
        self._told.set_text(told if told.endswith(".") else f"{told}{once}")
        self._told.set_visibility(True)
        await self.read()
        self._fill()


def _section(title: str) -> ui.element:
    section = ui.element("section").classes("people-section panel")
    section.props["aria-label"] = title
    with section, ui.element("h2"):
        ui.label(title)
    return section


def _state(account: Account, zone: tzinfo | None) -> str:
    if account.is_disabled:
        return "disabled"
    since = wording.local(account.created_at, zone)
    return f"not signed in yet, since {since}" if account.must_change else f"since {since}"
