"""What goes to the broker next: alerts, then age, then media; and what comes of it."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from typing import Protocol

from pydantic import ValidationError

from edgeclip.contract.receipts import Receipt
from edgeclip.contract.topics import DeviceTopics
from edgeclip_device.backlog import Backlog, MediaRow, Released, Row
from edgeclip_device.events import Answered

log = logging.getLogger(__name__)

_REFUSED = 0x80  # reason codes from here on: the broker did not take the message
_NOBODY_LISTENS = 0x10
_LONGEST_RESEND_S = 3600.0
_HISTORICAL_AFTER_NS = 60_000_000_000


class Publisher(Protocol):
    """What the drain needs of a link."""

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> int:
        """Publish and return the message's number, or raise PublishError."""


@dataclass
class DrainCounts:
    """What a drain has done so far."""

    sent: int = 0
    resent: int = 0
    media_sent: int = 0
    refused_by_broker: int = 0
    refused_by_dashboard: int = 0
    receipted: int = 0
    media_receipted: int = 0


@dataclass(frozen=True)
class _InFlight:
    key: int | str
    attempts: int


class Drain:
    """Works off a backlog over one connection after the other.

    Args:
        backlog: The outbox.
        topics: Of this device.
        resend_s: A row without receipt is sent again after so long, doubling up to an hour.
        max_in_flight: Messages without PUBACK at a time, so that memory stays bounded.
    """

    def __init__(
        self, backlog: Backlog, topics: DeviceTopics, *, resend_s: float, max_in_flight: int
    ) -> None:
        self._backlog = backlog
        self._topics = topics
        self._resend_s = resend_s
        self._most = max_in_flight
        self._in_flight: dict[int, _InFlight] = {}
        self.counts = DrainCounts()

    def fill(self, link: Publisher, now_ns: int, boot_id: str) -> None:
        """Publish what is due, as far as there is room in flight.

        Args:
            link: A connection that stands.
            now_ns: On the boot-time clock.
            boot_id: Of this boot: rows of another are old whatever their clock says.

        Raises:
            PublishError: The connection broke; what was not published stays due.
        """
        room = self._most - len(self._in_flight)
        rows = self._backlog.due_rows(room, now_ns) if room > 0 else []
        room -= len(rows)
        media = self._backlog.due_media(room, now_ns) if room > 0 else []
        if not rows and not media:
            return
        self._backlog.mark_sent([row.seq for row in rows], [item.sha256 for item in media])
        for row in rows:
            self._send_row(link, row, now_ns, boot_id)
        for item in media:
            self._send_media(link, item)

    def on_answer(self, answer: Answered, now_ns: int) -> None:
        """Take in a PUBACK; numbers of other messages are passed over."""
        sent = self._in_flight.pop(answer.mid, None)
        if sent is None:
            return
        acknowledged = answer.code < _REFUSED
        if not acknowledged:
            self.counts.refused_by_broker += 1
            log.error(
                "the broker refuses %s: %s: check its ACL; it stays in the outbox",
                _named(sent.key),
                answer.reason,
            )
        worth_keeping = not acknowledged or answer.code == _NOBODY_LISTENS
        wait_s = min(self._resend_s * 2.0**sent.attempts, _LONGEST_RESEND_S)
        self._backlog.settle(
            sent.key,
            acknowledged=acknowledged,
            reason=answer.reason if worth_keeping else None,
            next_try_ns=now_ns + round(wait_s * 1e9),
        )

    def on_receipt(self, payload: bytes) -> Released:
        """Take in a receipt, and delete what it names."""
        try:
            receipt = Receipt.model_validate_json(payload)
        except ValidationError as error:
            log.warning("a receipt of %d bytes cannot be read: %s", len(payload), error.errors()[0])
            return Released()
        released = self._backlog.release(receipt)
        for seq, reason in released.refused:
            log.warning("the dashboard refuses row %d (%s): it is dropped", seq, reason)
        self.counts.receipted += len(released.seqs)
        self.counts.media_receipted += len(released.media)
        self.counts.refused_by_dashboard += len(released.refused)
        return released

    def on_disconnect(self) -> None:
        """Make due at once what the broker had not answered."""
        self._in_flight.clear()
        self._backlog.connection_lost()

    def _send_row(self, link: Publisher, row: Row, now_ns: int, boot_id: str) -> None:
        payload = row.payload
        if row.boot_id != boot_id or now_ns - row.created_boot_ns > _HISTORICAL_AFTER_NS:
            payload = _as_historical(payload)
        mid = link.publish(row.topic, payload)
        self._in_flight[mid] = _InFlight(row.seq, row.attempts)
        self.counts.sent += 1
        self.counts.resent += row.attempts > 0

    def _send_media(self, link: Publisher, item: MediaRow) -> None:
        try:
            data = item.path.read_bytes()
        except OSError as error:
            log.error("a snapshot is gone (%s): its detection stays without it", error)
            self._backlog.media_is_gone(item.sha256)
            return
        mid = link.publish(self._topics.media(item.detection_id, item.n), data)
        self._in_flight[mid] = _InFlight(item.sha256, item.attempts)
        self.counts.media_sent += 1


def _named(key: int | str) -> str:
    return f"row {key}" if isinstance(key, int) else f"snapshot {key[:12]}"


def _as_historical(payload: bytes) -> bytes:
    """Return the detection marked as sent long after it happened."""
    document = json.loads(payload)
    document["historical"] = True
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
