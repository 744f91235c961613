"""What the running dashboard knows of itself: its link, its store, its counters."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Literal

LinkName = Literal["connecting", "online", "waiting", "stopped"]


@dataclass(frozen=True)
class LinkState:
    """Where the connection to the broker stands.

    Attributes:
        name: online means connected and subscribed.
        broker: Its URL, without credentials.
        since: When this state began, aware UTC.
        error: Why the last connection failed or ended, or None.
        retry_in_s: In the state waiting: how long from `since` until the next try.
    """

    name: LinkName
    broker: str
    since: datetime
    error: str | None = None
    retry_in_s: float | None = None


@dataclass
class Health:
    """Written by the threads that know, read by the page and by /healthz.

    Attributes:
        link: The newest state of the link.
        store_error: Why the store cannot be written now, or None.
        detections: Revisions stored since the start.
        duplicates: Revisions that had been stored before.
        malformed: Messages kept raw since the start.
        receipts: Receipts sent since the start.
        restarts: How often the receiving thread recovered from a fault of ours.
    """

    link: LinkState
    store_error: str | None = None
    detections: int = 0
    duplicates: int = 0
    malformed: int = 0
    receipts: int = 0
    restarts: int = 0
    started_at: datetime = field(default_factory=lambda: datetime.now(timezone.utc))
