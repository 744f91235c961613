"""What goes to the broker next: alerts, then age, then media; and what comes of it."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from pydantic import ValidationError

from edgeclip.contract.receipts import Receipt
from edgeclip.contract.topics import DeviceTopics
from edgeclip_device.backlog import Backlog
from edgeclip_device.budget import Budget
from edgeclip_device.config import DeviceSettings
from edgeclip_device.events import Answered
from edgeclip_device.media_drain import MediaDrain
from edgeclip_device.parts import Part
from edgeclip_device.plain_events import most_detections
from edgeclip_device.publisher import Publisher
from edgeclip_device.rows import Released, Row

log = logging.getLogger(__name__)

_REFUSED = 0x80  # reason codes from here on: the broker did not take the message
_NOBODY_LISTENS = 0x10
_LONGEST_RESEND_S = 3600.0
_MOST_DOUBLINGS = 16  # of 0.1 s reach an hour; a power of 1024 is no number any more
_HISTORICAL_AFTER_NS = 60_000_000_000


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
class DrainLimits:
    """How a drain holds itself back.

    Attributes:
        resend_s: A row without receipt is sent again after so long, doubling up to an hour.
        max_in_flight: Messages without PUBACK at a time, so that memory stays bounded. Whatever
            is older than a minute leaves a quarter of them to what happens now.
        part_bytes: Larger media go in parts.
    """

    resend_s: float
    max_in_flight: int
    part_bytes: int = 64_000

    @property
    def most_old(self) -> int:
        """How many of what is older, or media, may be in flight."""
        return max(1, self.max_in_flight - self.max_in_flight // 4)


@dataclass(frozen=True)
class _InFlight:
    key: int | str | Part
    attempts: int
    kind: str
    is_live: bool = False


class Drain:
    """Works off a backlog over one connection after the other.

    Args:
        backlog: The outbox.
        topics: Of this device.
        limits: How it holds itself back.
        budget: Says what may still be sent today.
    """

    def __init__(
        self, backlog: Backlog, topics: DeviceTopics, limits: DrainLimits, budget: Budget
    ) -> None:
        self._backlog = backlog
        self._topics = topics
        self._limits = limits
        self._budget = budget
        self._media = MediaDrain(backlog, topics, budget, limits.part_bytes)
        self._most_bytes: int | None = None
        self._in_flight: dict[int, _InFlight] = {}
        self.counts = DrainCounts()
        self.refusals: dict[str, str] = {}
        """Why the broker takes no messages, by what lies below `up/`; of the last answer each."""

    def on_connect(self, most_bytes: int | None) -> None:
        """Take in how large a payload this broker takes; None where it does not say."""
        self._most_bytes = most_bytes
        self._media.limit(self._most_bytes or self._limits.part_bytes)

    def fill(
        self,
        link: Publisher,
        now_ns: int,
        boot_id: str,
        *,
        with_media: bool = True,
        alerts_only: bool = False,
    ) -> None:
        """Publish what is due, as far as there is room in flight and in the day's bytes.

        Args:
            link: A connection that stands.
            now_ns: On the boot-time clock.
            boot_id: Of this boot: rows of another are old whatever their clock says.
            with_media: Whether snapshots go too.
            alerts_only: Only alerts that no broker has taken: nobody would give receipts now.

        Raises:
            PublishError: The connection broke; what was not published stays due.
        """
        room = self._limits.max_in_flight - len(self._in_flight)
        if room <= 0:
            return
        floor = self._backlog.newest_old(boot_id, now_ns - _HISTORICAL_AFTER_NS)
        due = partial(self._backlog.due_rows, now_ns=now_ns, alerts_only=alerts_only)
        live = self._admitted(due(room, above=floor), now_ns)
        old_room = min(room - len(live), self._limits.most_old - self._old_in_flight())
        old: list[Row] = []
        if old_room > 0:
            old = self._admitted(due(old_room, upto=floor), now_ns)
        if live or old:
            self._backlog.mark_sent([row.seq for row in (*live, *old)], [])
        for row in live:
            self._send_row(link, row, is_live=True)
        for row in old:
            self._send_row(link, row, is_live=False)
        if with_media and not alerts_only and old_room > len(old):
            for sent in self._media.fill(link, old_room - len(old), now_ns):
                self._in_flight[sent.mid] = _InFlight(sent.key, sent.attempts, "media")
                self.counts.media_sent += 1

    def on_answer(self, answer: Answered, now_ns: int) -> None:
        """Take in a PUBACK; numbers of other messages are passed over."""
        sent = self._in_flight.pop(answer.mid, None)
        if sent is None:
            return
        acknowledged = answer.code < _REFUSED
        self._note_refusal(sent, None if acknowledged else answer.reason)
        key = sent.key
        if isinstance(key, Part):
            if not self._media.on_part(key, acknowledged=acknowledged):
                return
            key = key.sha256
        worth_keeping = not acknowledged or answer.code == _NOBODY_LISTENS
        wait_s = min(
            self._limits.resend_s * 2.0 ** min(sent.attempts, _MOST_DOUBLINGS), _LONGEST_RESEND_S
        )
        self._backlog.settle(
            key,
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
        self._media.on_disconnect()
        self._backlog.connection_lost()

    def _old_in_flight(self) -> int:
        return sum(not sent.is_live for sent in self._in_flight.values())

    def _admitted(self, rows: Sequence[Row], now_ns: int) -> list[Row]:
        """Return those rows that the broker and the day's bytes allow."""
        admitted = []
        for row in rows:
            size = len(row.topic) + len(row.payload)
            if self._most_bytes is not None and len(row.payload) > self._most_bytes:
                self._set_aside(row, now_ns)
            elif self._budget.admit(size, is_alert=row.topic.endswith("/alert")):
                admitted.append(row)
        return admitted

    def _set_aside(self, row: Row, now_ns: int) -> None:
        """Pass over a row for an hour: the broker would end the connection for it."""
        reason = f"larger than this broker takes ({self._most_bytes} bytes)"
        log.error("row %d is %s: raise its max_packet_size", row.seq, reason)
        self.counts.refused_by_broker += 1
        self.refusals[_kind(row.topic)] = reason
        wait_ns = round(_LONGEST_RESEND_S * 1e9)
        self._backlog.settle(
            row.seq, acknowledged=False, reason=reason, next_try_ns=now_ns + wait_ns
        )

    def _note_refusal(self, sent: _InFlight, reason: str | None) -> None:
        if reason is None:
            self.refusals.pop(sent.kind, None)
            return
        self.counts.refused_by_broker += 1
        self.refusals[sent.kind] = reason
        log.error("the broker refuses %s: %s: check its ACL", _named(sent.key), reason)

    def _send_row(self, link: Publisher, row: Row, *, is_live: bool) -> None:
        mid = link.publish(row.topic, row.payload if is_live else _as_historical(row.payload))
        self._in_flight[mid] = _InFlight(row.seq, row.attempts, _kind(row.topic), is_live)
        self.counts.sent += 1
        self.counts.resent += row.attempts > 0


def _kind(topic: str) -> str:
    return topic.split("/", 5)[-1]


def _named(key: int | str | Part) -> str:
    if isinstance(key, Part):
        return f"part {key.name} of snapshot {key.sha256[:12]}"
    return f"row {key}" if isinstance(key, int) else f"snapshot {key[:12]}"


def _as_historical(payload: bytes) -> bytes:
    """Return the detection marked as sent long after it happened."""
    document = json.loads(payload)
    document["historical"] = True
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


def open_drain(
    settings: DeviceSettings, backlog: Backlog, topics: DeviceTopics, budget: Budget
) -> Drain:
    """Return the drain of an outbox that was opened, as the configuration wants it."""
    uplink = settings.uplink
    limits = DrainLimits(uplink.resend_s, most_detections(settings), uplink.part_bytes)
    return Drain(backlog, topics, limits, budget)
