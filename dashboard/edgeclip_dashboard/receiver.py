"""The receiving thread: take, check, commit, acknowledge, send receipts, tell the page."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Protocol

from edgeclip.contract.topics import DeviceTopics
from edgeclip.errors import StoreError
from edgeclip_dashboard.health import Health
from edgeclip_dashboard.inbox import Delivery, Inbox
from edgeclip_dashboard.ledger import Ledger
from edgeclip_dashboard.messages import parse_message
from edgeclip_dashboard.receipts import ReceiptBook
from edgeclip_dashboard.store import Committed, Store

log = logging.getLogger(__name__)

RECEIPT_INTERVAL_S = 0.2
_MOST_AT_ONCE = 200
_RETRY_S = 1.0


class Publisher(Protocol):
    """What the receiver needs of the link."""

    @property
    def is_online(self) -> bool:
        """Whether a message can be published now."""

    def publish(self, topic: str, payload: bytes) -> bool:
        """Publish at QoS 1; False if there is no connection."""


@dataclass(frozen=True)
class ReceiverParts:
    """What the receiver joins."""

    inbox: Inbox
    store: Store
    ledger: Ledger
    link: Publisher
    health: Health


class Receiver:
    """Moves deliveries from the inbox into the store.

    A delivery is acknowledged, and its row receipted, only after its commit. A batch that cannot
    be committed is tried again until it can: nothing is acknowledged in the meantime.

    Args:
        parts: Inbox, store, ledger, link and health.
        project: The project that is served.
        dashboard_id: Stands in the receipts.
        on_change: Told after each commit, from the receiver's thread.
    """

    def __init__(
        self,
        parts: ReceiverParts,
        *,
        project: str,
        dashboard_id: str,
        on_change: Callable[[], None],
    ) -> None:
        self._parts = parts
        self._project = project
        self._on_change = on_change
        self._book = ReceiptBook(dashboard_id)
        self._batch: list[Delivery] = []
        self._one_by_one: deque[Delivery] = deque()  # of a batch in which something was wrong
        self._sent_at = 0.0  # monotonic seconds of the last receipts
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="receiver", daemon=True)

    def start(self) -> None:
        """Begin to receive."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the batch at hand and end; what is not committed was not acknowledged."""
        self._stopping.set()
        self._thread.join(5.0)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.step()
            except StoreError as error:
                if self._parts.health.store_error is None:
                    log.error("%s; trying again every second", error)
                self._parts.health.store_error = str(error)
                self._on_change()
                self._stopping.wait(_RETRY_S)
            except Exception:  # the thread's one supervised boundary
                log.exception("receiving failed; it goes on with one message after the other")
                self._parts.health.restarts += 1
                self._set_aside()
                self._stopping.wait(_RETRY_S)

    def step(self) -> None:
        """Take and store one batch, and send the receipts that are due.

        Raises:
            StoreError: The batch is kept and tried again by the next step.
        """
        if not self._batch and self._one_by_one:
            self._batch = [self._one_by_one.popleft()]
        elif not self._batch:
            wait_s = self._until_receipts_s() if self._book else 0.5
            self._batch = self._parts.inbox.take(_MOST_AT_ONCE, wait_s=wait_s)
        if self._batch:
            self._store_batch()
        if self._book and self._until_receipts_s() <= 0:
            self._send_receipts()

    def _set_aside(self) -> None:
        """After a fault of ours, find the message that it comes of, and give up that one alone.

        The broker is told that it came, or it would deliver nothing more once so many wait; its
        device is told nothing, and keeps it.
        """
        batch, self._batch = self._batch, []
        if len(batch) > 1:
            self._one_by_one.extend(batch)
            return
        for delivery in batch:
            log.error("a message on %s is left to its device", delivery.topic)
            delivery.acknowledge()

    def _store_batch(self) -> None:
        messages = [
            parse_message(delivery.topic, delivery.payload, project=self._project)
            for delivery in self._batch
        ]
        committed = self._parts.store.commit(messages, datetime.now(timezone.utc))
        self._note(committed)
        for delivery in self._batch:
            delivery.acknowledge()
        self._batch = []
        self._on_change()

    def _note(self, committed: Committed) -> None:
        health, ledger = self._parts.health, self._parts.ledger
        for outbox, seq in committed.stored:
            ledger.add(outbox, seq)
            self._book.stored(outbox, seq)
        for outbox, seq, reason in committed.refused:
            ledger.add(outbox, seq, is_refused=True)
            self._book.refused(outbox, seq, reason)
        for outbox, sha256 in committed.media:
            self._book.media(outbox, sha256)
        health.store_error = None
        health.detections += len(committed.stored) - committed.duplicates
        health.duplicates += committed.duplicates
        health.malformed += committed.malformed

    def _until_receipts_s(self) -> float:
        if not self._parts.link.is_online:
            return 0.5
        return max(0.0, self._sent_at + RECEIPT_INTERVAL_S - time.monotonic())

    def _send_receipts(self) -> None:
        for outbox in self._book.outboxes():
            topic = DeviceTopics(self._project, outbox[0]).receipt
            for receipt in self._book.take(outbox, self._parts.ledger.stored(outbox)):
                if not self._parts.link.publish(topic, receipt.to_json()):
                    return  # the link is down: devices send again, and are told then
                self._parts.health.receipts += 1
        self._sent_at = time.monotonic()
