"""A mosquitto with passwords and the access list of the documentation, and its users."""

from __future__ import annotations

import queue
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from paho.mqtt.client import Client, MQTTMessage  # noqa: TID251 - a user of the broker
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion  # noqa: TID251 - likewise
from paho.mqtt.properties import Properties  # noqa: TID251 - likewise
from paho.mqtt.reasoncodes import ReasonCode  # noqa: TID251 - likewise

from support.brokers import Broker, running_broker

_DOCUMENT = Path(__file__).parents[2] / "docs/detections-and-topics.md"
_ACCESS = Path(__file__).parents[2] / "examples/dashboard/mosquitto.acl"
PATIENCE_S = 20.0


def documented_access() -> str:
    """Return the lines of the documentation that keep a device to its own topics."""
    lines = re.findall(r"^pattern (?:read|write) edgeclip\S+$", _DOCUMENT.read_text(), re.MULTILINE)
    if len(lines) < 3:
        raise AssertionError(f"{_DOCUMENT} has no access list")
    return "\n".join(lines)


@contextmanager
def guarded_broker(folder: Path, *devices: str) -> Iterator[Broker]:
    """Yield a broker that knows the dashboard and these devices; each one's password is its name.

    Args:
        folder: Where it may write.
        devices: Their names.
    """
    folder.mkdir(parents=True, exist_ok=True)
    passwords = folder / "passwords"
    passwords.touch(mode=0o600)
    for user in ("dashboard", *devices):
        command = ["mosquitto_passwd", "-b", str(passwords), user, user]
        subprocess.run(command, check=True, capture_output=True)
    settings = ("allow_anonymous false", f"password_file {passwords}", f"acl_file {_ACCESS}")
    with running_broker(folder, settings=settings) as broker:
        yield broker


class User:
    """A client of the broker: notes what it was granted, and what arrives.

    Args:
        broker: Where.
        name: User, password and client id.
    """

    def __init__(self, broker: Broker, name: str) -> None:
        self.received: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._client = Client(
            CallbackAPIVersion.VERSION2, client_id=name, protocol=MQTTProtocolVersion.MQTTv5
        )
        self._client.username_pw_set(name, name)
        self._client.on_message = self._on_message
        self._client.on_publish = self._on_publish
        self._client.on_connect = lambda *_: self._answers.put(True)
        self._client.on_subscribe = lambda *_: self._answers.put(True)
        self._client.connect(broker.host, broker.port)
        self._client.loop_start()
        self._answers.get(timeout=PATIENCE_S)

    def may_publish(self, topic: str, payload: bytes, *, retain: bool = False) -> bool:
        """Publish at QoS 1, and say whether the broker took it."""
        self._client.publish(topic, payload, qos=1, retain=retain)
        return self._answers.get(timeout=PATIENCE_S)

    def subscribe(self, topic: str) -> None:
        """Subscribe; what may not be read does not arrive."""
        self._client.subscribe(topic, qos=1)
        self._answers.get(timeout=PATIENCE_S)

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()

    def _on_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        self.received.put((message.topic, bytes(message.payload)))

    def _on_publish(
        self, _client: Client, _data: object, _mid: int, code: ReasonCode, _more: Properties
    ) -> None:
        self._answers.put(not code.is_failure)


@contextmanager
def user(broker: Broker, name: str) -> Iterator[User]:
    """Yield a client that is disconnected at the end."""
    connected = User(broker, name)
    try:
        yield connected
    finally:
        connected.close()
