"""The web application: routes, pages, headers, and what runs beside them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass

from fastapi import FastAPI
from nicegui import ui

from edgeclip_dashboard.api import add_data_routes, add_health_route
from edgeclip_dashboard.api_search import add_search_route
from edgeclip_dashboard.exports.writing import Source
from edgeclip_dashboard.guard import Guard
from edgeclip_dashboard.headers import SecurityHeaders, security_headers
from edgeclip_dashboard.inbox import Inbox
from edgeclip_dashboard.media_route import add_media_route
from edgeclip_dashboard.overlays import add_overlay_route
from edgeclip_dashboard.pages.accounts import add_accounts_page
from edgeclip_dashboard.pages.acknowledge import add_acknowledge_page
from edgeclip_dashboard.pages.activity import add_activity_page
from edgeclip_dashboard.pages.context import PageContext
from edgeclip_dashboard.pages.deeds import add_deeds_page
from edgeclip_dashboard.pages.deployments import add_deployment_pages
from edgeclip_dashboard.pages.desired import add_desired_page
from edgeclip_dashboard.pages.detection import add_detection_page
from edgeclip_dashboard.pages.device_list import add_device_list
from edgeclip_dashboard.pages.device_page import add_device_page
from edgeclip_dashboard.pages.export import add_export_page
from edgeclip_dashboard.pages.failing import add_failure_pages
from edgeclip_dashboard.pages.live import add_live_page
from edgeclip_dashboard.pages.malformed import add_malformed_page
from edgeclip_dashboard.pages.map_page import add_map_page
from edgeclip_dashboard.pages.notices import add_notices_page
from edgeclip_dashboard.pages.packs import add_packs_page
from edgeclip_dashboard.pages.review import add_review_page
from edgeclip_dashboard.pages.rules import add_rules_page
from edgeclip_dashboard.pages.search import add_search_page
from edgeclip_dashboard.pages.sign_in import add_sign_in_pages
from edgeclip_dashboard.pages.teach import add_teach_page
from edgeclip_dashboard.pages.webhooks import add_webhooks_page
from edgeclip_dashboard.reading_api.export_route import add_export_route
from edgeclip_dashboard.reading_api.metrics import add_metrics_route
from edgeclip_dashboard.reading_api.routes import add_description, api_v1
from edgeclip_dashboard.visitors import EveryVisitor, KnownVisitors, Visitors
from edgeclip_dashboard.workers import Worker

_ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><circle cx="16" cy="16" r="14"'
    ' fill="#2f6b4f"/><circle cx="16" cy="16" r="7" fill="#ffc46b"/>'
    '<circle cx="16" cy="16" r="3" fill="#101412"/></svg>'
)


@dataclass(frozen=True)
class Parts:
    """All that runs while the server does.

    Attributes:
        context: What pages and routes need.
        inbox: What has arrived and is not stored yet.
        workers: In the order in which they start. They end in the other one, so the link comes
            last: it ends first, and what it still delivers is not acknowledged and comes again.
    """

    context: PageContext
    inbox: Inbox
    workers: tuple[Worker, ...]


def build_application(parts: Parts, started: Callable[[], None]) -> FastAPI:
    """Return the application.

    Args:
        parts: What runs with it.
        started: Told once all of it does.
    """
    app = FastAPI(
        lifespan=_lifespan(parts, started), docs_url=None, redoc_url=None, openapi_url=None
    )
    context = parts.context
    page = context.settings.page
    app.add_middleware(Guard, visitors=_visitors(context), public_url=page.public_url)
    app.add_middleware(SecurityHeaders, headers=security_headers(context.settings.map.tiles))
    add_sign_in_pages(app, context)
    add_health_route(app, context.health, parts.inbox, context.feed)
    add_media_route(app, context.engine, context.files)
    add_data_routes(app, context.engine, context.ledger, context.feed)
    add_overlay_route(app, context.engine)
    add_search_route(app, context.search)
    add_metrics_route(app, context.health, parts.inbox, context.feed)
    _add_api_v1(app, context)
    add_live_page(context)
    add_search_page(context)
    add_detection_page(context)
    add_review_page(context)
    add_activity_page(context)
    add_device_list(context)
    add_device_page(context)
    add_desired_page(context)
    add_map_page(context)
    add_deployment_pages(context)
    add_packs_page(context)
    add_teach_page(context)
    add_accounts_page(context)
    add_deeds_page(context)
    add_malformed_page(context)
    add_export_page(context)
    add_notices_page(context)
    add_rules_page(context)
    add_webhooks_page(context)
    add_acknowledge_page(app, context)
    ui.run_with(
        app, favicon=_ICON, dark=context.dark, language="en-US", tailwind=False,
        show_welcome_message=False,
    )  # fmt: skip
    add_failure_pages()
    return app


def _add_api_v1(app: FastAPI, context: PageContext) -> None:
    settings = context.settings
    router = api_v1(context.engine)
    source = Source(
        context.engine,
        context.files,
        settings.project,
        settings.export,
        settings.page.public_url,
    )
    add_export_route(router, source)
    add_description(app, router)


def _visitors(context: PageContext) -> Visitors:
    if context.settings.page.auth == "none":
        return EveryVisitor()
    return KnownVisitors(context.engine, context.settings)


def _lifespan(
    parts: Parts, started: Callable[[], None]
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        del app
        showing = asyncio.create_task(parts.context.feed.run())
        for worker in parts.workers:
            worker.start()
        started()
        yield
        for worker in reversed(parts.workers):
            await asyncio.to_thread(worker.stop)
        showing.cancel()
        with suppress(asyncio.CancelledError):
            await showing

    return lifespan
