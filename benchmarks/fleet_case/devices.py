"""A simulated device: sends rows of an outbox, keeps each until its receipt, sends again."""

from __future__ import annotations

import json
import time
from collections import OrderedDict
from dataclasses import dataclass, field

from paho.mqtt.client import Client, MQTTMessage  # noqa: TID251 - the far end of the link
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion  # noqa: TID251 - likewise

from edgeclip.contract.detection import new_id
from edgeclip.contract.topics import DeviceTopics, dashboard_status
from support.samples import detection

PROJECT = "demo"


@dataclass(frozen=True)
class Load:
    """What each device does.

    Attributes:
        detections: How many it sends in all.
        window: How many it sends without a receipt for them.
        resend_s: After how long it sends a row again.
    """

    detections: int
    window: int
    resend_s: float


@dataclass
class Counted:
    """What the whole fleet has seen; times are monotonic seconds.

    Attributes:
        receipted_at: When each row's receipt came.
        waited_s: From a row's first sending to its receipt.
        resent: How often a row was sent again.
    """

    receipted_at: list[float] = field(default_factory=list)
    waited_s: list[float] = field(default_factory=list)
    resent: int = 0


class SimulatedDevice:
    """One device; its caller reads and writes its socket, so that a thousand need one thread.

    Args:
        number: Names it.
        load: What it does.
        counted: Takes what it sees.
    """

    def __init__(self, number: int, load: Load, counted: Counted) -> None:
        device_id = f"fleet-{number:05}"
        self._topics = DeviceTopics(PROJECT, device_id)
        self._load, self._counted = load, counted
        self._epoch = new_id(int(time.time() * 1000))
        change = {"device_id": device_id, "deployment_id": f"place-{number % 100}"}
        template = detection().model_copy(update=change | {"epoch": self._epoch})
        self._document = json.loads(template.to_json())
        self._topic = self._topics.detection("alert")
        self._first_sent: OrderedDict[int, float] = OrderedDict()
        self._sent: dict[int, tuple[float, bytes]] = {}
        self._next = 1
        self._is_away = False
        self.is_ready = False
        self.client = Client(
            CallbackAPIVersion.VERSION2, client_id=device_id, protocol=MQTTProtocolVersion.MQTTv5
        )
        self.client.on_connect = lambda *_: self._subscribe()
        self.client.on_subscribe = lambda *_: setattr(self, "is_ready", True)
        self.client.on_message = self._on_message

    @property
    def is_done(self) -> bool:
        """Whether all its rows are receipted."""
        return self._next > self._load.detections and not self._sent

    def connect(self, host: str, port: int) -> None:
        """Open the connection; the caller goes on with it."""
        self.client.connect(host, port, keepalive=600)

    def work(self, now: float) -> None:
        """Send what the window has room for, and again what waits too long."""
        if not self.is_ready or self._is_away:
            return
        while len(self._sent) < self._load.window and self._next <= self._load.detections:
            self._send_next(now)
        for seq, (at, payload) in self._sent.items():
            if now - at > self._load.resend_s:
                self._sent[seq] = (now, payload)
                self._counted.resent += 1
                self.client.publish(self._topic, payload, qos=1)

    def _send_next(self, now: float) -> None:
        seq, self._next = self._next, self._next + 1
        self._document |= {"detection_id": new_id(int(time.time() * 1000)), "seq": seq}
        payload = json.dumps(self._document, separators=(",", ":")).encode()
        self._first_sent[seq], self._sent[seq] = now, (now, payload)
        self.client.publish(self._topic, payload, qos=1)

    def _subscribe(self) -> None:
        self.client.subscribe([(self._topics.receipt, 1), (dashboard_status(PROJECT), 1)])

    def _on_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        document = json.loads(message.payload)
        if message.topic == self._topics.receipt:
            self._on_receipt(document)
            return
        was_away, self._is_away = self._is_away, document["state"] != "online"
        if was_away and not self._is_away:  # as a device does: what has no receipt goes at once
            self._sent = {seq: (0.0, payload) for seq, (_, payload) in self._sent.items()}

    def _on_receipt(self, document: dict[str, object]) -> None:
        if document["epoch"] != self._epoch:
            return
        upto, ranges = document["received_upto"], document["ranges"]
        now = time.monotonic()
        for seq in [seq for seq in self._sent if _covers(seq, upto, ranges)]:
            del self._sent[seq]
            self._counted.receipted_at.append(now)
            self._counted.waited_s.append(now - self._first_sent.pop(seq))


def _covers(seq: int, upto: object, ranges: object) -> bool:
    if isinstance(upto, int) and seq <= upto:
        return True
    return isinstance(ranges, list) and any(first <= seq <= last for first, last in ranges)
