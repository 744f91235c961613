"""Join store, link, receiver, feed and pages, and serve until a signal says stop."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timezone

import uvicorn
from fastapi import FastAPI
from nicegui import ui
from sqlalchemy import Engine
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from edgeclip.errors import DashboardError, SetupError
from edgeclip_dashboard.api import add_data_routes, add_health_route, add_media_route
from edgeclip_dashboard.config import Credentials, DashboardSettings, is_loopback
from edgeclip_dashboard.database import database_url, open_database
from edgeclip_dashboard.feed import LiveFeed
from edgeclip_dashboard.health import Health, LinkState
from edgeclip_dashboard.inbox import Inbox
from edgeclip_dashboard.ledger import Ledger
from edgeclip_dashboard.media_files import MediaFiles
from edgeclip_dashboard.mqtt import BrokerLink, LinkConfig
from edgeclip_dashboard.pages.live import PageContext, add_live_page
from edgeclip_dashboard.queries import read_picture
from edgeclip_dashboard.receiver import Receiver, ReceiverParts
from edgeclip_dashboard.store import Store

log = logging.getLogger(__name__)

_STOP_S = 2  # how long open pages may delay the end
_ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><circle cx="16" cy="16" r="14"'
    ' fill="#2f6b4f"/><circle cx="16" cy="16" r="7" fill="#ffc46b"/>'
    '<circle cx="16" cy="16" r="3" fill="#101412"/></svg>'
)
_HEADERS = {
    # NiceGUI builds its page by inline scripts and by Vue templates: hence the two "unsafe".
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; font-src 'self' data:;"
    " style-src 'self' 'unsafe-inline'; script-src 'self' 'unsafe-inline' 'unsafe-eval';"
    " frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True)
class _Parts:
    """All that runs while the server does."""

    engine: Engine
    files: MediaFiles
    ledger: Ledger
    inbox: Inbox
    health: Health
    feed: LiveFeed
    link: BrokerLink
    receiver: Receiver


def serve(
    settings: DashboardSettings, credentials: Credentials, *, ready: Callable[[str], None]
) -> None:
    """Receive and show until SIGTERM or SIGINT; both end it in order.

    Args:
        settings: The whole configuration.
        credentials: The broker's user name and password.
        ready: Told the page's address once everything runs.

    Raises:
        StoreError: The database or the media folder cannot be used.
        SetupError: The address or port cannot be listened on.
        DashboardError: The web server did not start.
    """
    page = settings.page
    if not is_loopback(page.host):
        log.warning(
            "listening on %s: everybody who reaches this machine sees the detections", page.host
        )
    url = database_url(settings.store.database)
    with (
        open_database(url, project=settings.project) as engine,
        _listening_socket(page.host, page.port) as listening,
    ):
        parts = _join(settings, credentials, engine)
        host, port = listening.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        app = _application(settings, parts, lambda: ready(f"http://{shown}:{port}"))
        _run(app, listening)


def _join(settings: DashboardSettings, credentials: Credentials, engine: Engine) -> _Parts:
    store, broker = settings.store, settings.broker
    files = MediaFiles(store.media, most_bytes=store.media_max_bytes)
    ledger = Ledger.from_database(engine)
    inbox = Inbox()
    health = Health(LinkState("connecting", broker.url, datetime.now(timezone.utc)))
    feed = LiveFeed(lambda: read_picture(engine, ledger, newest=settings.page.newest))

    def on_link(state: LinkState) -> None:
        health.link = state
        feed.changed()

    config = LinkConfig(broker, settings.project, settings.dashboard_id, credentials)
    link = BrokerLink(config, inbox, on_link)
    receiver = Receiver(
        ReceiverParts(inbox, Store(engine, files), ledger, link, health),
        project=settings.project,
        dashboard_id=settings.dashboard_id,
        on_change=feed.changed,
    )
    return _Parts(engine, files, ledger, inbox, health, feed, link, receiver)


def _application(
    settings: DashboardSettings, parts: _Parts, started: Callable[[], None]
) -> FastAPI:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        del app
        showing = asyncio.create_task(parts.feed.run())
        parts.receiver.start()
        parts.link.start()
        started()
        yield
        # The link first: what it still delivers is not acknowledged and comes again.
        await asyncio.to_thread(parts.link.stop)
        await asyncio.to_thread(parts.receiver.stop)
        showing.cancel()
        with suppress(asyncio.CancelledError):
            await showing

    app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(_SecurityHeaders)
    add_health_route(app, parts.health, parts.inbox, parts.feed)
    add_media_route(app, parts.engine, parts.files)
    add_data_routes(app, parts.engine, parts.ledger, parts.feed)
    theme = settings.page.theme
    add_live_page(PageContext(parts.feed, parts.health, settings.project, theme))
    ui.run_with(app, favicon=_ICON, language="en-US", tailwind=False, show_welcome_message=False)
    return app


class _SecurityHeaders:
    """Adds headers that keep a page to this server; a class because ASGI asks for one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers if scope["type"] == "http" else send)


def _listening_socket(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind, protocol)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
            listening.listen(128)
        except OSError:
            listening.close()
            raise
    except OSError as error:
        raise SetupError(
            f"cannot listen on {host} port {port} ({error.strerror}): choose another --host or"
            " --port, or stop what listens there"
        ) from error
    return listening


def _run(app: FastAPI, listening: socket.socket) -> None:
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="on",
        timeout_graceful_shutdown=_STOP_S,
    )
    server = uvicorn.Server(config)
    for number in (signal.SIGTERM, signal.SIGINT):
        # uvicorn raises the signal once more when it has ended in order; that is then no news
        signal.signal(number, lambda *_: None)
    server.run(sockets=[listening])
    if not server.started:
        raise DashboardError("the web server did not start: see the log above")
