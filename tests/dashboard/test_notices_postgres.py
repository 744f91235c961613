"""Two instances on one PostgreSQL: what one tells or sends, the other does not."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest
from sqlalchemy import Engine

from edgeclip_dashboard.database import database_url, open_database
from edgeclip_dashboard.media_files import MediaFiles
from edgeclip_dashboard.messages import DetectionMessage
from edgeclip_dashboard.notices.links import link_key
from edgeclip_dashboard.notices.teller import Teller
from edgeclip_dashboard.store import Store
from edgeclip_dashboard.webhooks.courier import Courier
from support.dashboards import sample
from support.listeners import HttpListener, http_listener
from support.postgres import Postgres
from support.rules import add_rule, add_webhook, deliveries, states

pytestmark = pytest.mark.postgres

NOW = datetime(2026, 5, 1, 12, tzinfo=timezone.utc)


@pytest.fixture
def engines(postgres: Postgres) -> Iterator[tuple[Engine, Engine]]:
    url = database_url(postgres.new_database())
    with (
        open_database(url, project="demo") as first,
        open_database(url, project="demo") as second,
    ):
        yield first, second


@pytest.fixture
def server() -> Iterator[HttpListener]:
    with http_listener() as listening:
        yield listening


def _store(engine: Engine, folder: Path, count: int) -> None:
    messages = [sample(seq=seq) for seq in range(1, count + 1)]
    store = Store(engine, MediaFiles(folder, most_bytes=1_000_000))
    store.commit([DetectionMessage(one, one.to_json()) for one in messages], NOW)


def test_a_notice_is_told_by_one_of_two_instances(
    engines: tuple[Engine, Engine], server: HttpListener, tmp_path: Path
) -> None:
    for number in range(20):
        add_rule(engines[0], name=f"rule {number}", channels=(server.channel(str(number)),))
    _store(engines[0], tmp_path, 1)
    tellers = [Teller(engine, "https://x", clock=lambda: NOW) for engine in engines]
    threads = [threading.Thread(target=teller.step) for teller in tellers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(heard.path for heard in server.heard) == sorted(f"/{n}" for n in range(20))
    assert set(states(engines[1])) == {"sent"}


def test_both_instances_make_links_with_one_key(engines: tuple[Engine, Engine]) -> None:
    assert link_key(engines[0]) == link_key(engines[1])


def test_a_webhook_is_told_in_order_by_one_of_two_instances(
    engines: tuple[Engine, Engine], server: HttpListener, tmp_path: Path
) -> None:
    add_webhook(engines[0], server.url)
    _store(engines[0], tmp_path, 10)
    couriers = [Courier(engine, clock=lambda: NOW) for engine in engines]
    threads = [threading.Thread(target=courier.step) for courier in couriers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    seqs = [heard.json()["detection"]["seq"] for heard in server.heard]
    assert seqs == list(range(1, 11))
    assert {delivery.state for delivery in deliveries(engines[1])} == {"sent"}
