"""A store on a real SQLite file, and a real broker, for the dashboard's tests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import URL, Engine

from edgeclip.contract.detection import Detection
from edgeclip_dashboard.database import database_url, open_database
from edgeclip_dashboard.ledger import Ledger
from edgeclip_dashboard.media_files import MediaFiles
from edgeclip_dashboard.messages import DetectionMessage, Incoming
from edgeclip_dashboard.queries import DetectionView, Picture, read_picture
from edgeclip_dashboard.store import Committed, Store
from support.brokers import Broker, running_broker
from support.browsers import Browser, chromium
from support.dashboards import FieldDevice, field_device
from support.deliveries import Team
from support.postgres import Postgres, running_postgres
from support.shelves import VERSIONS

SCREENSHOTS = Path(__file__).parents[2] / "test-output"
NOW = datetime(2026, 5, 1, 12, tzinfo=timezone.utc)


@dataclass
class Desk:
    """A store without a network: what a test commits and reads."""

    engine: Engine
    files: MediaFiles
    store: Store
    minutes: int = 0

    def commit(self, *messages: Detection | Incoming) -> Committed:
        """Commit a batch, a minute after the one before."""
        self.minutes += 1
        incoming = [
            DetectionMessage(message, message.to_json())
            if isinstance(message, Detection)
            else message
            for message in messages
        ]
        return self.store.commit(incoming, NOW + timedelta(minutes=self.minutes))

    def picture(self) -> Picture:
        """Return what the page would show."""
        return read_picture(self.engine, Ledger.from_database(self.engine), newest=60)

    def only(self) -> DetectionView:
        """Return the one detection that is stored."""
        [view] = self.picture().detections
        return view


@pytest.fixture(scope="session")
def delivered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Deliveries of two versions of a pack."""
    team = Team(tmp_path_factory.mktemp("work") / "team")
    return {version: team.delivery(version) for version in VERSIONS}


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server of this run's own; for tests marked `postgres`."""
    with running_postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> URL:
    """A place for a database, of either kind."""
    if request.param == "sqlite":
        return database_url(str(tmp_path / "d.sqlite"))
    server: Postgres = request.getfixturevalue("postgres")
    return database_url(server.new_database())


@pytest.fixture
def either_engine(url: URL) -> Iterator[Engine]:
    """Of a fresh database, of either kind."""
    with open_database(url, project="demo") as opened:
        yield opened


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A real Chromium; its screenshots are kept as artefacts."""
    with chromium(SCREENSHOTS) as running:
        yield running


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A real mosquitto."""
    with running_broker(tmp_path_factory.mktemp("broker")) as running:
        yield running


@pytest.fixture(scope="module")
def device(broker: Broker) -> Iterator[FieldDevice]:
    """A device as the broker sees it."""
    with field_device(broker.url) as connected:
        yield connected


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A store in a fresh folder."""
    with open_database(database_url(str(tmp_path / "d.sqlite")), project="demo") as engine:
        files = MediaFiles(tmp_path / "media", most_bytes=1_000_000)
        yield Desk(engine, files, Store(engine, files))
