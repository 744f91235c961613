"""`/sign-in`, `/sign-out`, `/password` and `/account`: plain pages, also for who is a stranger."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from typing import Final

from fastapi import FastAPI, Request
from sqlalchemy.exc import SQLAlchemyError
from starlette.responses import RedirectResponse, Response

from edgeclip_dashboard.forms import CSRF_FIELD, FormError, local_path, read_form
from edgeclip_dashboard.identity import csrf_of, identity_of
from edgeclip_dashboard.pages.context import PageContext
from edgeclip_dashboard.pages.plain import Field, form, link, message_page, paragraph, plain_page
from edgeclip_dashboard.passwords import LEAST_CHARACTERS
from edgeclip_dashboard.sign_in_desk import RefusedError, SignInDesk, Try
from edgeclip_dashboard.visitors import Cookies, lifetimes

_MOST_WAITING: Final = 20  # a hash takes 64 MiB: one at a time, and no endless line


def add_sign_in_pages(app: FastAPI, context: PageContext) -> None:
    """Register the pages."""
    pages = _SignInPages(context)
    app.get("/sign-in")(pages.show_sign_in)
    app.post("/sign-in")(pages.sign_in)
    app.get("/password")(pages.show_password)
    app.post("/password")(pages.change_password)
    app.get("/account")(pages.show_account)
    app.post("/sign-out")(pages.sign_out)


class _SignInPages:
    def __init__(self, context: PageContext) -> None:
        self._page = context.settings.page
        self._desk = SignInDesk(context.engine, lifetimes(context.settings))
        self._cookies = Cookies(context.settings)
        self._form_cookie = f"edgeclip_{context.settings.project}_form"
        self._one_at_a_time = asyncio.Semaphore(1)
        self._waiting = 0

    async def show_sign_in(self, request: Request) -> Response:
        if self._page.auth == "none":
            return RedirectResponse("/", 303)
        return self._sign_in_page(request, local_path(request.query_params.get("next", "/")))

    async def sign_in(self, request: Request) -> Response:
        """Sign in; the new session has a new token, whatever the browser sent."""
        try:
            fields = await read_form(request, request.cookies.get(self._form_cookie, ""))
        except FormError as error:
            return self._sign_in_page(request, "/", str(error), status=400)
        wanted = local_path(fields.get("next", "/"))
        tried = Try(fields.get("name", ""), fields.get("password", ""), _address(request))
        old = self._cookies.token(request)
        try:
            token = await self._ask(lambda: self._desk.sign_in(tried, old))
        except RefusedError as error:
            page = self._sign_in_page(request, wanted, str(error), status=403, name=tried.name)
            return _refused(page, error)
        answer = RedirectResponse(wanted, 303)
        self._give(request, answer, token)
        return answer

    async def show_password(self, request: Request) -> Response:
        return self._password_page(request)

    async def change_password(self, request: Request) -> Response:
        """Change the password; all other sessions of the account end."""
        try:
            fields = await read_form(request, csrf_of(request.scope))
        except FormError as error:
            return self._password_page(request, str(error), status=400)
        chosen = fields.get("new", "")
        if chosen != fields.get("again"):
            return self._password_page(request, "The two new passwords differ.", status=400)
        name = identity_of(request.scope).name
        tried = Try(name, fields.get("present", ""), _address(request))
        try:
            token = await self._ask(lambda: self._desk.change(tried, chosen))
        except RefusedError as error:
            return _refused(self._password_page(request, str(error), status=400), error)
        answer = RedirectResponse("/", 303)
        self._give(request, answer, token)
        return answer

    async def show_account(self, request: Request) -> Response:
        """Who is signed in, and the ways out."""
        identity, csrf = identity_of(request.scope), csrf_of(request.scope)
        if not csrf:
            return message_page("Here nobody signs in: this is the machine itself.", status=200)
        hidden = Field(CSRF_FIELD, kind="hidden", value=csrf)
        everywhere = Field("everywhere", kind="hidden", value="yes")
        parts = [
            paragraph(f"Signed in as {identity.name}. Role: {identity.role}."),
            form("/sign-out", [hidden], "Sign out"),
            form("/sign-out", [hidden, everywhere], "Sign out on all machines", is_quiet=True),
            link("/password", "Change the password"),
            link("/", "Back to the start"),
        ]
        return plain_page("Your account", parts, theme=self._page.theme)

    async def sign_out(self, request: Request) -> Response:
        """End this session, or all of the account."""
        try:
            fields = await read_form(request, csrf_of(request.scope))
        except FormError as error:
            return message_page(str(error), status=400)
        name, token = identity_of(request.scope).name, self._cookies.token(request) or ""
        everywhere = "everywhere" in fields
        await asyncio.to_thread(self._desk.sign_out, name, token, everywhere=everywhere)
        answer = RedirectResponse("/sign-in", 303)
        answer.delete_cookie(
            self._cookies.name(request),
            secure=self._cookies.is_secure(request),
            httponly=True,
            samesite="lax",
        )
        return answer

    async def _ask(self, question: Callable[[], str]) -> str:
        """Ask the desk in a worker thread, one after the other."""
        if self._waiting >= _MOST_WAITING:
            raise RefusedError("Too many people sign in at once: try again.", 1)
        self._waiting += 1
        try:
            async with self._one_at_a_time:
                return await asyncio.to_thread(question)
        except SQLAlchemyError as error:
            raise RefusedError("The store cannot be read or written: see the log.") from error
        finally:
            self._waiting -= 1

    def _give(self, request: Request, answer: Response, token: str) -> None:
        answer.set_cookie(
            self._cookies.name(request),
            token,
            path="/",
            secure=self._cookies.is_secure(request),
            httponly=True,
            samesite="lax",
        )

    def _sign_in_page(
        self, request: Request, wanted: str, problem: str = "", status: int = 200, name: str = ""
    ) -> Response:
        csrf = request.cookies.get(self._form_cookie) or secrets.token_urlsafe(24)
        fields = [
            Field("name", "Name", value=name, complete="username", is_first=not name),
            Field(
                "password", "Password", "password", complete="current-password", is_first=bool(name)
            ),
            Field("next", kind="hidden", value=wanted),
            Field(CSRF_FIELD, kind="hidden", value=csrf),
        ]
        parts = [*_told(problem), form("/sign-in", fields, "Sign in")]
        answer = plain_page("Sign in", parts, status=status, theme=self._page.theme)
        answer.set_cookie(
            self._form_cookie,
            csrf,
            path="/sign-in",
            secure=self._cookies.is_secure(request),
            httponly=True,
            samesite="strict",
        )
        return answer

    def _password_page(self, request: Request, problem: str = "", status: int = 200) -> Response:
        csrf, name = csrf_of(request.scope), identity_of(request.scope).name
        fields = [
            Field("name", kind="known", value=name, complete="username"),
            Field("present", "Present password", "password", complete="current-password",
                  is_first=True),
            Field("new", "New password", "password", complete="new-password"),
            Field("again", "New password, again", "password", complete="new-password"),
            Field(CSRF_FIELD, kind="hidden", value=csrf),
        ]  # fmt: skip
        hint = f"At least {LEAST_CHARACTERS} characters. All other sessions of yours end."
        parts = [*_told(problem), paragraph(hint), form("/password", fields, "Change it")]
        return plain_page("Change the password", parts, status=status, theme=self._page.theme)


def _address(request: Request) -> str:
    return request.client.host if request.client else "unknown"


def _told(problem: str) -> list[str]:
    return [paragraph(problem, is_bad=True)] if problem else []


def _refused(answer: Response, error: RefusedError) -> Response:
    """Return an answer that tells programs, too, how long to wait."""
    if error.wait_s:
        answer.status_code = 429
        answer.headers["Retry-After"] = str(error.wait_s)
    return answer
