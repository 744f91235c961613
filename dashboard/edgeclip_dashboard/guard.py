"""The guard: nothing but the health check and the sign-in answers a stranger."""

from __future__ import annotations

import asyncio
import time
from typing import Final
from urllib.parse import quote, urlsplit

from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from edgeclip_dashboard.identity import put_csrf, put_identity
from edgeclip_dashboard.notices.links import LINK_PATH
from edgeclip_dashboard.pages.navigation import role_for
from edgeclip_dashboard.pages.plain import message_page
from edgeclip_dashboard.visitors import Visitor, Visitors

OPEN_PATHS: Final = frozenset({"/healthz", "/sign-in", LINK_PATH})
"""What answers without a session: a link of a message is signed, and says little."""

_FOR_PROGRAMS: Final = (
    "/api/",
    "/metrics",
    "/media/",
    "/overlays/",
    "/_nicegui",
)  # 401 says more than a page
_WITHOUT_PASSWORD: Final = frozenset({"/password", "/sign-out"})
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_LOOK_AGAIN_S: Final = 5.0  # how long an open page outlives the end of its session
_POLICY_VIOLATION: Final = 1008
_LOAD_ANEW: Final = '42["try_reconnect"]'  # NiceGUI's page loads itself anew, and so signs in


class Guard:
    """ASGI middleware that lets in whom `visitors` knows, and notes who it is.

    Args:
        app: What is guarded.
        visitors: Tells who asks.
        public_url: Origin through a reverse proxy, or None.
    """

    def __init__(self, app: ASGIApp, visitors: Visitors, public_url: str | None) -> None:
        self._app = app
        self._visitors = visitors
        self._public_host = urlsplit(public_url or "").netloc.casefold()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through to the application, or answer it here."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        refusal = self._wrong_origin(connection)
        if refusal is None:
            refusal = await self._enter(connection)
            if scope["path"] in OPEN_PATHS:
                refusal = None
        if refusal is not None:
            await _refuse(refusal, scope, receive, send)
        elif scope["type"] == "websocket":
            await self._app(scope, self._while_known(connection, receive, send), send)
        else:
            await self._app(scope, receive, send)

    def _wrong_origin(self, connection: HTTPConnection) -> Response | None:
        """Refuse what another page lets a browser send, or read, with our cookie."""
        origin = connection.headers.get("origin")
        if origin is None and (_is_safe(connection) or "cookie" not in connection.headers):
            return None  # a page that is gone to; or no browser, which would add a cookie by itself
        host = urlsplit(origin or "").netloc.casefold()
        ours = {connection.headers.get("host", "").casefold(), self._public_host} - {""}
        if host in ours:
            return None
        return _answer(connection, 403, "This was not sent by a page of this dashboard.")

    async def _enter(self, connection: HTTPConnection) -> Response | None:
        """Note who asks, or return what a stranger is told."""
        try:
            visitor = await asyncio.to_thread(self._visitors.find, connection)
        except SQLAlchemyError:
            return _answer(connection, 503, "The store cannot be read: see /healthz and the log.")
        path = connection.scope["path"]
        if visitor is None:
            return _to_sign_in(connection)
        if visitor.must_change and path not in _WITHOUT_PASSWORD:
            return _to_password(connection)
        if not visitor.identity.may(role_for(path)):
            return _answer(connection, 403, f"This page is for {role_for(path)}s.")
        _note(connection.scope, visitor)
        return None

    def _while_known(self, connection: HTTPConnection, receive: Receive, send: Send) -> Receive:
        """Return a `receive` that ends an open page whose session has ended.

        What a person does on the page is looked at each time, its heartbeat every few seconds.
        """
        looked_at = time.monotonic()

        async def receive_while_known() -> Message:
            nonlocal looked_at
            message = await receive()
            is_recent = time.monotonic() - looked_at < _LOOK_AGAIN_S
            if _is_end(message) or (is_recent and not _is_deed(message)):
                return message
            looked_at = time.monotonic()
            if await self._enter(connection) is None:
                return message
            await send({"type": "websocket.send", "text": _LOAD_ANEW})
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
            return {"type": "websocket.disconnect", "code": _POLICY_VIOLATION}

        return receive_while_known


def _is_safe(connection: HTTPConnection) -> bool:
    scope = connection.scope
    return scope["type"] == "http" and scope["method"] in _SAFE


def _note(scope: Scope, visitor: Visitor) -> None:
    put_identity(scope, visitor.identity)
    put_csrf(scope, visitor.csrf)


def _is_end(message: Message) -> bool:
    return bool(message["type"] == "websocket.disconnect")


def _is_deed(message: Message) -> bool:
    """Say whether a frame of Engine.IO holds a message; all others are the link's own."""
    return str(message.get("text") or "").startswith("4") or bool(message.get("bytes"))


def _to_sign_in(connection: HTTPConnection) -> Response:
    if is_for_program(connection):
        return _answer(connection, 401, "Sign in, or send a token: Authorization: Bearer ...")
    asked = connection.scope["path"]
    query = connection.url.query
    wanted = quote(f"{asked}?{query}" if query else asked, safe="/")
    return RedirectResponse("/sign-in" if asked == "/" else f"/sign-in?next={wanted}", 303)


def _to_password(connection: HTTPConnection) -> Response:
    if is_for_program(connection):
        return _answer(connection, 403, "Change the one-time password first: open /password.")
    return RedirectResponse("/password", 303)


def is_for_program(connection: HTTPConnection) -> bool:
    """Say whether a program asks, which wants JSON rather than a page."""
    path: str = connection.scope["path"]
    return path.startswith(_FOR_PROGRAMS) or connection.scope["type"] == "websocket"


def _answer(connection: HTTPConnection, status: int, told: str) -> Response:
    if is_for_program(connection):
        headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
        return JSONResponse({"detail": told}, status, headers | {"Cache-Control": "no-store"})
    return message_page(told, status=status)


async def _refuse(refusal: Response, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
    else:
        await refusal(scope, receive, send)
