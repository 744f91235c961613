"""A small dashboard for the device's tests: it stores what arrives, and gives receipts."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from paho.mqtt.client import Client, MQTTMessage  # noqa: TID251 - the far end of our link
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion  # noqa: TID251 - likewise
from paho.mqtt.packettypes import PacketTypes  # noqa: TID251 - likewise
from paho.mqtt.properties import Properties  # noqa: TID251 - likewise

from edgeclip.contract.detection import Detection
from edgeclip.contract.health import Health
from edgeclip.contract.receipts import Receipt, Refusal, compress
from edgeclip.contract.reports import Info, Status
from edgeclip.contract.topics import DeviceTopics, all_devices
from support.brokers import Broker

PATIENCE_S = 30.0
_OF_THIS_MACHINE = {"alarm/clock_untrusted", "alarm/disk_low"}  # where the tests run


def eventually(condition: Callable[[], Any], what: str, patience_s: float = PATIENCE_S) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + patience_s
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {patience_s} s: {what}")
        time.sleep(0.02)


@dataclass
class Receiver:
    """Subscribes with a persistent session, keeps everything in memory, and receipts it.

    Attributes:
        gives_receipts: Whether it answers; may be changed at any time.
        refuses: Row numbers that it will never store.
        parts: Of snapshots that came in parts, by detection and number.
        others: Topic below `up/` and payload of all else that came.
    """

    broker: Broker
    project: str = "demo"
    device_id: str = "jetson-1"
    gives_receipts: bool = True
    refuses: frozenset[int] = frozenset()
    protocol: MQTTProtocolVersion = MQTTProtocolVersion.MQTTv5
    arrived: Counter[tuple[str, int]] = field(default_factory=Counter)
    detections: dict[tuple[str, int], Detection] = field(default_factory=dict)
    media: dict[str, bytes] = field(default_factory=dict)
    states: list[str] = field(default_factory=list)
    infos: list[Info] = field(default_factory=list)
    healths: list[Health] = field(default_factory=list)
    payloads: list[dict[str, Any]] = field(default_factory=list)
    parts: dict[str, dict[int, bytes]] = field(default_factory=dict)
    others: list[tuple[str, bytes]] = field(default_factory=list)
    _rows: dict[str, set[int]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._client = self._new_client()

    def connect(self) -> None:
        """Connect, and wait until the subscription stands."""
        subscribed = threading.Event()
        self._client.on_subscribe = lambda *_: subscribed.set()
        self._client.on_connect = lambda client, *_: client.subscribe(
            all_devices(self.project), qos=1
        )
        if self.protocol is MQTTProtocolVersion.MQTTv5:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.SessionExpiryInterval = 3600
            self._client.connect(
                self.broker.host, self.broker.port, clean_start=False, properties=properties
            )
        else:
            self._client.connect(self.broker.host, self.broker.port)
        self._client.reconnect_delay_set(0.1, 0.5)  # type: ignore[arg-type]  # fractions work
        self._client.loop_start()
        if not subscribed.wait(PATIENCE_S):
            raise AssertionError("the receiver could not subscribe")

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()

    def keys(self) -> set[tuple[str, int]]:
        """Return `(detection_id, rev)` of all that arrived."""
        with self._lock:
            return set(self.detections)

    def duplicates(self) -> int:
        """Return how many messages came more than once."""
        with self._lock:
            return sum(self.arrived.values()) - len(self.arrived)

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Publish something, for example a receipt of one's own making."""
        self._client.publish(topic, payload, qos=1, retain=retain).wait_for_publish(PATIENCE_S)

    def _new_client(self) -> Client:
        is_5 = self.protocol is MQTTProtocolVersion.MQTTv5
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id="receiver",
            protocol=self.protocol,
            clean_session=None if is_5 else False,
        )
        client.on_message = self._on_message
        return client

    def _on_message(self, client: Client, _data: object, message: MQTTMessage) -> None:
        kind = message.topic.split("/")[5]
        with self._lock:
            if kind == "status":
                self.states.append(Status.model_validate_json(message.payload).state)
            elif kind == "info":
                self.infos.append(Info.model_validate_json(message.payload))
            elif kind == "health":
                self.healths.append(Health.model_validate_json(message.payload))
            elif kind == "detection":
                self._take(bytes(message.payload))
            elif kind == "media":
                self._take_media(client, message.topic.split("/")[6:], bytes(message.payload))
            else:
                self.others.append((message.topic.split("/", 5)[5], bytes(message.payload)))

    def _take_media(self, client: Client, levels: list[str], payload: bytes) -> None:
        if len(levels) == 3:  # detection, number, part of parts
            part, parts = map(int, levels[2].split("-"))
            known = self.parts.setdefault(levels[0], {})
            known[part] = payload
            if len(known) < parts:
                return
            payload = b"".join(known[number] for number in sorted(known))
        digest = hashlib.sha256(payload).hexdigest()
        self.media[digest] = payload
        self._receipt(client, next(iter(self._rows), None), media=[digest])

    def alarms(self) -> dict[str, str]:
        """Return the details of the alarms that stand, but for those of this very machine."""
        with self._lock:
            told = dict(self.others)
        return {
            topic.removeprefix("alarm/"): json.loads(payload)["detail"]
            for topic, payload in told.items()
            if topic.startswith("alarm/") and payload and topic not in _OF_THIS_MACHINE
        }

    def _take(self, payload: bytes) -> None:
        detection = Detection.model_validate_json(payload)
        key = (detection.detection_id, detection.rev)
        rows = self._rows.setdefault(detection.epoch, set())
        self.payloads.append(json.loads(payload))
        if detection.seq in self.refuses:
            refusal = [Refusal(seq=detection.seq, reason="of no use here")]
            self._receipt(self._client, detection.epoch, refused=refusal)
            return
        self.arrived[key] += 1
        self.detections[key] = detection
        rows.add(detection.seq)
        self._receipt(self._client, detection.epoch)

    def _receipt(self, client: Client, epoch: str | None, **more: Any) -> None:
        if not self.gives_receipts or epoch is None:
            return
        upto, ranges = compress(self._rows[epoch])
        receipt = Receipt(
            dashboard_id="receiver", epoch=epoch, received_upto=upto, ranges=ranges, **more
        )
        topics = DeviceTopics(self.project, self.device_id)
        client.publish(topics.receipt, receipt.to_json(), qos=1)


@contextmanager
def receiving(broker: Broker, **options: Any) -> Iterator[Receiver]:
    """Yield a connected receiver, and disconnect it at the end."""
    receiver = Receiver(broker, **options)
    receiver.connect()
    try:
        yield receiver
    finally:
        receiver.close()
