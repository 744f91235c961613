"""A dashboard process, and a device that publishes to it, for tests and benchmarks."""

from __future__ import annotations

import hashlib
import itertools
import json
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from paho.mqtt.client import Client, MQTTMessage, MQTTMessageInfo  # noqa: TID251 - the far end of our link
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion  # noqa: TID251 - likewise

from edgeclip.contract.detection import Detection, MediaRef, new_id
from edgeclip.contract.receipts import Receipt
from edgeclip.contract.topics import DeviceTopics
from support.samples import detection
from support.sign_ins import sign_in_as_admin

_milliseconds = itertools.count(int(time.time() * 1000))
PROJECT, PATIENCE_S = "demo", 20.0  # how long a test waits before it fails; nothing asserts on it


def eventually(condition: Callable[[], Any], *, what: str, patience_s: float = PATIENCE_S) -> Any:
    """Return the condition's first true value.

    Raises:
        AssertionError: It did not become true in time; the message says what was awaited.
    """
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.05)
    raise AssertionError(f"did not happen in {patience_s} s: {what}")


def jpeg(seed: int = 0, size: tuple[int, int] = (160, 100)) -> bytes:
    """Return a small JPEG of a night scene with a bright animal; differs with the seed."""
    width, height = size
    noise = np.random.default_rng(seed).integers(0, 24, (height, width), dtype=np.uint8)
    scene = noise + np.linspace(20, 60, height, dtype=np.uint8)[:, None]
    place = (width // 3 + seed % 5 * width // 20, height * 2 // 3)
    cv2.ellipse(scene, place, (width // 6, height // 9), 0, 0, 360, 190, -1)
    head = (place[0] + width // 6, place[1] - height // 12)
    cv2.circle(scene, head, height // 12, 205, -1)
    done, data = cv2.imencode(".jpg", scene)
    if not done:
        raise ValueError("OpenCV could not write a JPEG")
    return data.tobytes()


def media_ref(data: bytes, n: int = 0) -> MediaRef:
    """Return the announcement of a JPEG's bytes."""
    sha256 = hashlib.sha256(data).hexdigest()
    return MediaRef(n=n, kind="full", sha256=sha256, size_bytes=len(data), width=160, height=100)


def fresh_id() -> str:
    """Return a new detection id that sorts after all earlier ones, also within a millisecond."""
    return new_id(next(_milliseconds))


def sample(**changes: Any) -> Detection:
    """Return a leopard's alert with a fresh id and the given fields changed."""
    return detection().model_copy(update={"detection_id": fresh_id()} | changes)


@dataclass
class Dashboard:
    """A running `edgeclip-dashboard serve`."""

    process: subprocess.Popen[str]
    url: str
    folder: Path
    errors: list[str] = field(default_factory=list)
    one_time_password: str = ""
    is_guarded: bool = True

    @cached_property
    def cookie(self) -> str:
        """Sign in as the first admin, at most once, and return the session's `name=value`."""
        if not self.is_guarded:
            return ""
        return sign_in_as_admin(self.url, self.one_time_password)

    def get(self, path: str) -> Any:
        """Return the JSON at a path, as an admin sees it, also when the answer is 503."""
        return self._get(path, {"Cookie": self.cookie})

    def _get(self, path: str, headers: dict[str, str]) -> Any:
        request = urllib.request.Request(self.url + path, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            return json.load(error)

    def detections(self) -> list[dict[str, Any]]:
        """Return what is stored, newest first."""
        found: list[dict[str, Any]] = self.get("/api/detections?limit=1000")
        return found

    def health(self) -> dict[str, Any]:
        """Return /healthz."""
        document: dict[str, Any] = self.get("/healthz")
        return document

    def wait_online(self) -> None:
        """Wait until the dashboard is subscribed."""
        eventually(
            lambda: self._get("/healthz", {})["link"]["name"] == "online", what="the link is up"
        )

    def kill(self) -> None:
        """End it with SIGKILL."""
        self.process.kill()
        self.process.wait(10)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(20)


def dashboard_command(folder: Path, broker: str, *more: str) -> list[str]:
    """Return the command line of a dashboard with all its files in a folder."""
    command = [sys.executable, "-m", "edgeclip_dashboard.cli", "serve", "--broker", broker]
    command += ["--database", str(folder / "detections.sqlite"), "--media", str(folder / "media")]
    return [*command, "--port", "0", "--project", PROJECT, *more]


@contextmanager
def running_dashboard(folder: Path, broker: str, *more: str) -> Iterator[Dashboard]:
    """Yield a dashboard that serves; it is killed at the end if it still runs."""
    process = subprocess.Popen(
        dashboard_command(folder, broker, *more),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    dashboard = Dashboard(process, "", folder, is_guarded="none" not in more)
    reader = threading.Thread(target=_collect, args=(process, dashboard.errors), daemon=True)
    reader.start()
    try:
        _read_start(dashboard)
        yield dashboard
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(10)
        reader.join(5)
        for stream in (process.stdout, process.stderr):
            if stream:
                stream.close()


def _collect(process: subprocess.Popen[str], errors: list[str]) -> None:
    if process.stderr:
        errors.extend(process.stderr)


def _read_start(dashboard: Dashboard) -> None:
    """Note what a dashboard prints when it starts: its address, and perhaps a password."""
    for line in dashboard.process.stdout or ():
        if "one-time password" in line:
            dashboard.one_time_password = line.split("one-time password ")[1].split()[0]
        if line.startswith("open "):
            dashboard.url = line.split()[1]
            return
    raise AssertionError("the dashboard ended: " + "".join(dashboard.errors))


class FieldDevice:
    """A device as the broker sees it: publishes, and collects its receipts.

    Args:
        url: The broker.
        device_id: Its name in topics; also the MQTT client id.
        protocol: 5 or 3.1.1.
        will: Published by the broker when the device vanishes.
    """

    def __init__(
        self, url: str, device_id: str = "jetson-1", *, protocol: str = "5", will: bytes = b""
    ) -> None:
        self.topics = DeviceTopics(PROJECT, device_id)
        self.receipts: queue.SimpleQueue[Receipt] = queue.SimpleQueue()
        self._seen: list[Receipt] = []
        version = MQTTProtocolVersion.MQTTv5 if protocol == "5" else MQTTProtocolVersion.MQTTv311
        self._client = Client(CallbackAPIVersion.VERSION2, client_id=device_id, protocol=version)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_message = self._on_message
        self._client.on_connect = self._on_connect
        if will:
            self._client.will_set(self.topics.status, will, qos=1, retain=True)
        host, port = url.removeprefix("mqtt://").split(":")
        self._client.connect(host, int(port))
        self._client.loop_start()
        eventually(self._client.is_connected, what="the device is connected")

    def _on_connect(self, client: Client, *_: object) -> None:
        client.subscribe(self.topics.receipt, qos=1)

    def _on_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        self.receipts.put(Receipt.model_validate_json(message.payload))

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Publish at QoS 1 and wait for the broker's acknowledgement."""
        self.publish_soon(topic, payload, retain=retain).wait_for_publish(PATIENCE_S)

    def publish_soon(self, topic: str, payload: bytes, *, retain: bool = False) -> MQTTMessageInfo:
        """Publish at QoS 1; what is returned can be waited for."""
        return self._client.publish(topic, payload, qos=1, retain=retain)

    def sample(self, **changes: Any) -> Detection:
        """Return a leopard's alert of this device with a fresh id and the given fields changed."""
        return sample(**({"device_id": self.topics.device_id} | changes))

    def send(self, what: Detection) -> None:
        """Publish a detection on its topic."""
        self.publish(self.topics.detection(what.severity), what.to_json())

    def send_media(self, what: Detection, data: bytes, n: int = 0) -> None:
        """Publish a media file of a detection."""
        self.publish(self.topics.media(what.detection_id, n), data)

    def seen(self) -> list[Receipt]:
        """Return all receipts so far."""
        while not self.receipts.empty():
            self._seen.append(self.receipts.get())
        return self._seen

    def is_receipted(self, seq: int) -> bool:
        """Say whether some receipt so far covers a row."""
        return any(receipt.covers(seq) for receipt in self.seen())

    def vanish(self) -> None:
        """Drop the connection without a word, so that the broker publishes the will."""
        self._client.on_connect = None
        self._client.reconnect_delay_set(100, 100)
        connection = self._client.socket()
        if isinstance(connection, socket.socket):
            connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Disconnect in order."""
        self._client.disconnect()
        self._client.loop_stop()


@contextmanager
def field_device(url: str, device_id: str = "jetson-1", **options: Any) -> Iterator[FieldDevice]:
    """Yield a device that is disconnected at the end."""
    device = FieldDevice(url, device_id, **options)
    try:
        yield device
    finally:
        device.close()


def retained(url: str, topic: str) -> bytes:
    """Return what a broker holds on a topic.

    Raises:
        queue.Empty: It holds nothing.
    """
    found: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)

    def on_message(_client: Client, _data: object, message: MQTTMessage) -> None:
        found.put(bytes(message.payload))

    def on_connect(connected: Client, *_: object) -> None:
        connected.subscribe(topic)

    client.on_message, client.on_connect = on_message, on_connect
    host, port = url.removeprefix("mqtt://").split(":")
    client.connect(host, int(port))
    client.loop_start()
    try:
        return found.get(timeout=PATIENCE_S)
    finally:
        client.disconnect()
        client.loop_stop()
