from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from typing import Any

import numpy as np
import pytest

from edgeclip.contract.topics import DeviceTopics
from edgeclip_device.clock import SystemClock
from edgeclip_device.config import DeviceSettings
from edgeclip_device.home_assistant import discovery_message, discovery_topic
from edgeclip_device.outbox import Outbox
from edgeclip_device.plain_events import EventEcho, plain_event
from support.asked import asked_bank
from support.brokers import Broker
from support.receivers import eventually, receiving
from support.samples import detection

TOPICS = DeviceTopics("demo", "jetson-1")


class Wire:
    """A link that keeps topics and payloads."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes]] = []

    def publish(
        self, topic: str, payload: bytes, *, retain: bool = False, expiry_s: int | None = None
    ) -> int:
        """Keep a message and number it."""
        self.sent.append((topic, payload))
        return len(self.sent) + 0 * (retain + (expiry_s or 0))


def test_an_event_is_flat_and_names_no_place() -> None:
    sent = detection()
    event = json.loads(plain_event(sent.to_json()) or b"null")
    assert event["detection_id"] == sent.detection_id
    assert event["class_name"] == sent.class_name
    assert event["at"] is not None
    assert event["caption"] is None
    assert not any(isinstance(value, dict | list) for value in event.values())
    assert not {"location", "latitude", "longitude"} & set(event)


def test_an_event_has_the_caption_of_what_is_said_in_words() -> None:
    bank = asked_bank(verified=True)
    told = bank.told(np.array([0, 1, 0, 1], np.float32), "leopard")
    sent = detection().model_copy(update={"attributes": told})
    event = json.loads(plain_event(sent.to_json()) or b"null")
    assert event["caption"] == "leopard, night (unverified: two animals)"


@pytest.mark.parametrize("payload", [b"", b"[]", b"{", b'{"schema": "edgeclip.other/1"}', b"\xff"])
def test_what_is_no_single_detection_has_no_event(payload: bytes) -> None:
    assert plain_event(payload) is None


def test_only_detections_are_echoed_and_keep_their_number() -> None:
    link, events = Wire(), Wire()
    echo = EventEcho(link, events, TOPICS)
    assert echo.publish(TOPICS.media("a" * 36, 0), b"jpeg") == 1
    assert echo.publish(TOPICS.detection("alert"), detection().to_json()) == 2
    assert [topic for topic, _ in events.sent] == [TOPICS.event]


def test_home_assistant_gets_a_device_whose_sensors_have_names_of_their_own() -> None:
    document: dict[str, Any] = json.loads(discovery_message(TOPICS, "Jetson"))
    sensors = document["components"].values()
    assert len({sensor["unique_id"] for sensor in sensors}) == len(sensors)
    assert {sensor["state_topic"] for sensor in sensors} == {
        TOPICS.status, TOPICS.health, TOPICS.event,
    }  # fmt: skip
    assert document["device"]["model"] == "Jetson"
    assert discovery_topic("homeassistant", "jetson-1") == "homeassistant/device/jetson-1/config"


@pytest.mark.broker
@pytest.mark.parametrize("wanted", [True, False])
def test_a_device_sends_events_only_where_they_are_asked_for(
    make_settings: Callable[..., DeviceSettings],
    broker: Broker,
    start_uplink: Callable[..., object],
    wanted: bool,
) -> None:
    settings = make_settings(
        mqtt={"url": broker.url}, integrations={"home_assistant": wanted, "plain_events": wanted}
    )
    with (
        closing(Outbox(settings.state, settings.outbox, SystemClock())) as outbox,
        receiving(broker) as receiver,
    ):
        outbox.emit(detection())
        start_uplink(settings)
        eventually(lambda: receiver.detections, "the detection")
        eventually(lambda: outbox.waiting() == (0, 0), "its receipt")
        if wanted:
            eventually(lambda: "event" in dict(receiver.others), "the event")
        told = "homeassistant/device/jetson-1/config" in broker.log
    assert ("event" in dict(receiver.others), told) == (wanted, wanted)
