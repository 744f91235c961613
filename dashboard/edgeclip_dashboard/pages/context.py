"""What every page needs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import tzinfo

from sqlalchemy import Engine

from edgeclip_dashboard.config import DashboardSettings
from edgeclip_dashboard.feed import LiveFeed
from edgeclip_dashboard.field.sending import PackSending
from edgeclip_dashboard.health import Health
from edgeclip_dashboard.ledger import Ledger
from edgeclip_dashboard.media_files import MediaFiles
from edgeclip_dashboard.mqtt import BrokerLink
from edgeclip_dashboard.teaching.desk import TeachingDesk
from edgeclip_dashboard.word_search import WordSearch

THEMES: dict[str, bool | None] = {"auto": None, "dark": True, "light": False}


@dataclass(frozen=True)
class PageContext:
    """The running dashboard, as pages see it.

    Attributes:
        engine: Of the database; a page reads with a session of its own, in a worker thread.
        files: Snapshots on disk.
        ledger: Which rows have arrived.
        feed: Tells open pages of what is new.
        health: Of link and store.
        link: Publishes to devices.
        settings: The whole configuration.
        sending: Asks of devices, and sends them packs.
        search: Ranks detections by words.
        teaching: Teaches packs from snapshots.
    """

    engine: Engine
    files: MediaFiles
    ledger: Ledger
    feed: LiveFeed
    health: Health
    link: BrokerLink
    settings: DashboardSettings
    sending: PackSending
    search: WordSearch
    teaching: TeachingDesk

    @property
    def zone(self) -> tzinfo | None:
        """The project's clock, for what is of no place; None is UTC."""
        return self.settings.zone

    @property
    def dark(self) -> bool | None:
        """Dark, light, or None for what the viewer's system has."""
        return THEMES[self.settings.page.theme]
