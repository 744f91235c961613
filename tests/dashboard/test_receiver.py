from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from edgeclip.contract.receipts import Receipt
from edgeclip.errors import StoreError
from edgeclip_dashboard.health import Health, LinkState
from edgeclip_dashboard.inbox import Delivery, Inbox
from edgeclip_dashboard.ledger import Ledger
from edgeclip_dashboard.messages import DetectionMessage, Incoming
from edgeclip_dashboard.receiver import Receiver, ReceiverParts
from edgeclip_dashboard.store import Committed, Store
from support.dashboards import eventually, jpeg, media_ref, sample
from support.samples import EPOCH

if TYPE_CHECKING:
    from dashboard.conftest import Desk

PREFIX = "edgeclip/v1/demo/jetson-1/up"


class PaperLink:
    """A link that writes down what it is given: the real one is tested with a real broker."""

    def __init__(self) -> None:
        self.is_up = True
        self.sent: list[tuple[str, Receipt]] = []

    @property
    def is_online(self) -> bool:
        return self.is_up

    def publish(self, topic: str, payload: bytes) -> bool:
        self.sent.append((topic, Receipt.model_validate_json(payload)))
        return self.is_up


class FaultyStore(Store):
    """A store with a fault of ours: it fails at rows of one number in a way that nobody foresaw."""

    def commit(self, messages: Sequence[Incoming], at: datetime) -> Committed:
        for message in messages:
            if isinstance(message, DetectionMessage) and message.detection.seq == 2:
                raise LookupError("nobody foresaw this")
        return super().commit(messages, at)


class Bench:
    """A receiver that a test steps by hand."""

    def __init__(self, desk: Desk, store: Store | None = None) -> None:
        self.link = PaperLink()
        self.inbox = Inbox()
        self.acknowledged: list[str] = []
        self.changes = 0
        state = LinkState("online", "mqtt://farm", datetime.now(timezone.utc))
        self.health = Health(state)
        ledger = Ledger.from_database(desk.engine)
        self.receiver = Receiver(
            ReceiverParts(self.inbox, store or desk.store, ledger, self.link, self.health),
            project="demo",
            dashboard_id="dashboard",
            on_change=self._changed,
        )

    def _changed(self) -> None:
        self.changes += 1

    def deliver(self, topic: str, payload: bytes) -> None:
        """Put a message into the inbox, as the link does."""
        self.inbox.put(Delivery(topic, payload, lambda: self.acknowledged.append(topic)))


@pytest.fixture
def bench(desk: Desk) -> Bench:
    return Bench(desk)


def test_a_detection_is_committed_acknowledged_and_receipted(bench: Bench, desk: Desk) -> None:
    bench.deliver(f"{PREFIX}/detection/alert", sample(seq=1).to_json())
    bench.receiver.step()
    assert desk.picture().counts.detections == 1
    assert bench.acknowledged == [f"{PREFIX}/detection/alert"]
    [(topic, receipt)] = bench.link.sent
    assert topic == "edgeclip/v1/demo/jetson-1/down/receipt"
    assert (receipt.epoch, receipt.received_upto) == (EPOCH, 1)
    assert bench.changes == 1


def test_a_broken_detection_is_refused_in_the_receipt(bench: Bench) -> None:
    payload = sample(seq=3).to_json().replace(b"edgeclip.detection/1", b"edgeclip.detection/9")
    bench.deliver(f"{PREFIX}/detection/alert", payload)
    bench.receiver.step()
    [(_, receipt)] = bench.link.sent
    assert [refusal.seq for refusal in receipt.refused] == [3]
    assert not receipt.covers(3)
    assert bench.health.malformed == 1


def test_nothing_is_acknowledged_while_the_store_fails_and_the_batch_is_kept(
    bench: Bench, desk: Desk
) -> None:
    with desk.engine.begin() as connection:
        connection.execute(text("ALTER TABLE revisions RENAME TO away"))
    bench.deliver(f"{PREFIX}/detection/alert", sample(seq=1).to_json())
    with pytest.raises(StoreError):
        bench.receiver.step()
    assert bench.acknowledged == []
    assert bench.link.sent == []
    with desk.engine.begin() as connection:
        connection.execute(text("ALTER TABLE away RENAME TO revisions"))
    bench.receiver.step()
    assert len(bench.acknowledged) == 1
    assert bench.link.sent[0][1].covers(1)


def test_receipts_wait_while_the_link_is_down(bench: Bench) -> None:
    bench.link.is_up = False
    bench.deliver(f"{PREFIX}/detection/alert", sample(seq=1).to_json())
    bench.receiver.step()
    assert bench.link.sent == []
    bench.link.is_up = True
    bench.receiver.step()
    assert bench.link.sent[0][1].covers(1)


def test_two_batches_within_the_interval_share_a_receipt(bench: Bench) -> None:
    bench.deliver(f"{PREFIX}/detection/alert", sample(seq=1).to_json())
    bench.receiver.step()
    for seq in (2, 3):
        bench.deliver(f"{PREFIX}/detection/alert", sample(seq=seq).to_json())
    bench.receiver.step()
    while len(bench.link.sent) < 2:
        bench.receiver.step()
    assert [receipt.received_upto for _, receipt in bench.link.sent] == [1, 3]


def test_a_duplicate_is_receipted_again(bench: Bench, desk: Desk) -> None:
    payload = sample(seq=1).to_json()
    for _ in range(2):
        bench.deliver(f"{PREFIX}/detection/alert", payload)
        bench.receiver.step()
    while len(bench.link.sent) < 2:
        bench.receiver.step()
    assert desk.picture().counts.detections == 1
    assert bench.health.duplicates == 1


def test_media_are_receipted_by_hash(bench: Bench) -> None:
    data = jpeg()
    detection = sample(seq=1, media=[media_ref(data)])
    bench.deliver(f"{PREFIX}/media/{detection.detection_id}/0", data)
    bench.deliver(f"{PREFIX}/detection/alert", detection.to_json())
    bench.receiver.step()
    assert bench.link.sent[0][1].media == [media_ref(data).sha256]


def test_junk_on_any_topic_never_stops_the_receiver(bench: Bench, desk: Desk) -> None:
    for topic in ("", "x", f"{PREFIX}/info", f"{PREFIX}/media/..", f"{PREFIX}/detection"):
        bench.deliver(topic, b"\xff\x00" * 10)
    bench.deliver(f"{PREFIX}/detection/alert", sample(seq=1).to_json())
    bench.receiver.step()
    assert desk.picture().counts.detections == 1
    assert bench.health.malformed == 5
    assert len(bench.acknowledged) == 6


def test_a_started_receiver_goes_on_after_the_store_failed(bench: Bench, desk: Desk) -> None:
    with desk.engine.begin() as connection:
        connection.execute(text("ALTER TABLE revisions RENAME TO away"))
    bench.deliver(f"{PREFIX}/detection/alert", sample(seq=1).to_json())
    bench.receiver.start()
    try:
        eventually(lambda: bench.health.store_error, what="the failure is reported")
        with desk.engine.begin() as connection:
            connection.execute(text("ALTER TABLE away RENAME TO revisions"))
        eventually(lambda: bench.link.sent, what="the batch is stored after all")
        assert bench.health.store_error is None
    finally:
        bench.receiver.stop()


def test_a_fault_of_ours_costs_one_message_and_the_broker_goes_on_delivering(desk: Desk) -> None:
    bench = Bench(desk, FaultyStore(desk.engine, desk.files))
    for seq in (1, 2, 3):
        bench.deliver(f"{PREFIX}/detection/alert", sample(seq=seq).to_json())
    bench.receiver.start()
    try:
        eventually(lambda: len(bench.acknowledged) == 3, what="nothing is left unacknowledged")
        eventually(lambda: bench.link.sent and bench.link.sent[-1][1].covers(3), what="a receipt")
    finally:
        bench.receiver.stop()
    receipts = [receipt for _, receipt in bench.link.sent]
    assert not any(receipt.covers(2) or receipt.refused for receipt in receipts)
    assert desk.picture().counts.detections == 2
    assert bench.health.restarts == 2
