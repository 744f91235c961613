"""Join store, link, receiver, feed and pages, and serve until a signal says stop."""

from __future__ import annotations

import logging
import signal
import socket
from collections.abc import Callable
from datetime import datetime, timezone

import uvicorn
from fastapi import FastAPI
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from edgeclip.contract.signing import read_private_key
from edgeclip.errors import DashboardError, SetupError
from edgeclip_dashboard.accounts import add_first_admin
from edgeclip_dashboard.application import Parts, build_application
from edgeclip_dashboard.config import (
    Credentials,
    DashboardSettings,
    PageSettings,
    is_loopback,
)
from edgeclip_dashboard.counting import Counter
from edgeclip_dashboard.database import database_url, open_database
from edgeclip_dashboard.feed import LiveFeed
from edgeclip_dashboard.field.asking import Asking, Author
from edgeclip_dashboard.field.deliveries import PackShelf
from edgeclip_dashboard.field.sending import PackSending
from edgeclip_dashboard.health import Health, LinkState
from edgeclip_dashboard.inbox import Inbox
from edgeclip_dashboard.instances import place_of
from edgeclip_dashboard.ledger import Ledger
from edgeclip_dashboard.links import links_of
from edgeclip_dashboard.media_files import MediaFiles
from edgeclip_dashboard.mqtt import BrokerLink
from edgeclip_dashboard.neighbours import Neighbours
from edgeclip_dashboard.notices.teller import Teller
from edgeclip_dashboard.pages.context import PageContext
from edgeclip_dashboard.queries import read_picture
from edgeclip_dashboard.receiver import Receiver, ReceiverParts
from edgeclip_dashboard.rounds import Rounds
from edgeclip_dashboard.store import Store
from edgeclip_dashboard.teaching.desk import TeachingDesk
from edgeclip_dashboard.teaching.set_up import wrong_path
from edgeclip_dashboard.text_encoder import TextEncoder
from edgeclip_dashboard.thinning import EVERY_S, Thinning
from edgeclip_dashboard.turns import turn_of
from edgeclip_dashboard.webhooks.courier import Courier
from edgeclip_dashboard.word_search import WordSearch
from edgeclip_dashboard.workers import Worker

log = logging.getLogger(__name__)

_STOP_S = 2  # how long open pages may delay the end


def serve(
    settings: DashboardSettings,
    credentials: Credentials,
    *,
    ready: Callable[[str, str | None], None],
) -> None:
    """Receive and show until SIGTERM or SIGINT; both end it in order.

    Args:
        settings: The whole configuration.
        credentials: The broker's user name and password.
        ready: Told, once everything runs, the page's address, and the one-time password of the
            account `admin` if it was made by this start.

    Raises:
        StoreError: The database or the media folder cannot be used.
        SetupError: The address or port cannot be listened on.
        DashboardError: The web server did not start.
    """
    page = settings.page
    _warn_of_the_network(page)
    url = database_url(settings.store.database)
    with (
        open_database(url, project=settings.project) as engine,
        place_of(engine, settings),
        _listening_socket(page.host, page.port) as listening,
    ):
        parts = _join(settings, credentials, engine)
        host, port = listening.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        address = f"http://{shown}:{port}"
        app = build_application(parts, lambda: ready(address, _first_password(engine, page)))
        _run(app, listening, page.trusted_proxies)


def _warn_of_the_network(page: PageSettings) -> None:
    if is_loopback(page.host) or (page.public_url or "").startswith("https:"):
        return
    log.warning(
        "listening on %s: passwords go over the network unencrypted; put a proxy with https before"
        " it, and name its address in [page].public_url",
        page.host,
    )


def _first_password(engine: Engine, page: PageSettings) -> str | None:
    if page.auth == "none":
        return None
    with Session(engine) as session, session.begin():
        turn_of(session, "first admin")
        return add_first_admin(session, datetime.now(timezone.utc))


def _join(settings: DashboardSettings, credentials: Credentials, engine: Engine) -> Parts:
    store, broker = settings.store, settings.broker
    files = MediaFiles(store.media, most_bytes=store.media_max_bytes)
    ledger = Ledger.from_database(engine)
    inbox = Inbox()
    health = Health(LinkState("connecting", broker.url, datetime.now(timezone.utc)))
    newest, counter = settings.page.newest, Counter()
    feed = LiveFeed(
        lambda: read_picture(
            engine, ledger, newest=newest, counter=counter, elsewhere=settings.zone
        )
    )

    def on_link(state: LinkState) -> None:
        health.link = state
        feed.changed()

    notices = Rounds(
        "notices", Teller(engine, settings.page.public_url, on_change=feed.changed).step
    )
    webhooks = Rounds("webhooks", Courier(engine, on_change=feed.changed).step)
    links = links_of(settings, credentials, inbox, on_link)
    sending = _sending(settings, engine, links[0], feed)
    packs = Rounds("packs", sending.go_round)

    def on_commit() -> None:
        feed.changed()
        for rounds in (notices, webhooks, packs):
            rounds.wake()

    kept = Store(engine, files, name=settings.dashboard_id)
    receiver = Receiver(
        ReceiverParts(inbox, kept, ledger, links[0], health),
        project=settings.project,
        dashboard_id=settings.dashboard_id,
        on_change=on_commit,
    )
    encoder = TextEncoder(settings.search)
    search = WordSearch(engine, encoder)
    teaching = _teaching(settings, engine, files, sending.shelf)
    context = PageContext(
        engine, files, ledger, feed, health, links[0], settings, sending, search, teaching
    )
    thinning = Rounds("thinning", Thinning(engine).thin, every_s=EVERY_S)
    workers: list[Worker] = [thinning, encoder, notices, webhooks, packs]
    if engine.dialect.name == "postgresql":
        workers.append(Neighbours(engine, settings.dashboard_id, ledger, on_commit))
    return Parts(context, inbox, workers=(*workers, receiver, *links))


def _sending(
    settings: DashboardSettings, engine: Engine, link: BrokerLink, feed: LiveFeed
) -> PackSending:
    """Return what asks and sends packs, with the key that is configured."""
    commands = settings.commands
    key = read_private_key(commands.key_file) if commands.key_file else None
    author = Author(settings.project, settings.dashboard_id, key)
    asking = Asking(engine, author, link.publish, feed.changed)
    shelf = PackShelf(commands.packs, commands.pack_max_bytes)
    return PackSending(engine, asking, shelf, link.publish)


def _teaching(
    settings: DashboardSettings, engine: Engine, files: MediaFiles, shelf: PackShelf
) -> TeachingDesk:
    """Return what teaches packs, with the key that is configured."""
    table = settings.teaching
    key = read_private_key(table.key_file) if table.key_file else None
    if wrong := wrong_path(table):  # a disk may come later: detections are received meanwhile
        log.warning("nothing can be taught: %s", wrong)
    return TeachingDesk(engine, files, shelf, table, key)


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


def _run(app: FastAPI, listening: socket.socket, trusted_proxies: list[str]) -> None:
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        forwarded_allow_ips=trusted_proxies,
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
