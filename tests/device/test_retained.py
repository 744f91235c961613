from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from edgeclip.contract.topics import DeviceTopics
from edgeclip_device.config import DeviceSettings
from edgeclip_device.events import Answered
from edgeclip_device.outbox import Outbox
from edgeclip_device.retained import MOST_IN_FLIGHT, Announcer
from edgeclip_device.uplink_thread import UplinkThread
from support.brokers import Broker
from support.receivers import eventually, receiving

STALLED = "no frame for 20 s"
StartUplink = Callable[..., UplinkThread]


@dataclass
class Written:
    """A link that takes everything and answers when it is told to."""

    messages: list[tuple[str, bytes]] = field(default_factory=list)

    def publish(
        self, topic: str, payload: bytes, *, retain: bool = False, expiry_s: int | None = None
    ) -> int:
        """Take a message; all of them must be retained here."""
        assert retain
        assert expiry_s is None
        self.messages.append((topic.split("/up/")[1], payload))
        return len(self.messages)


def _told(announcer: Announcer, wanted: dict[str, bytes]) -> list[tuple[str, bytes]]:
    """Tell, answer, and tell again until nothing is due; return what was told."""
    link = Written()
    answered = 0
    while True:
        announcer.tell(link, wanted)
        if answered == len(link.messages):
            return link.messages
        while answered < len(link.messages):
            answered += 1
            announcer.on_answer(Answered(answered, 0, "Success"))


def test_at_a_connection_all_alarms_are_told_those_that_stand_first() -> None:
    announcer = Announcer(DeviceTopics("demo", "jetson-1"))
    told = _told(announcer, {"alarm/overtemp": b"hot", "health": b"h"})
    assert set(told[:2]) == {("alarm/overtemp", b"hot"), ("health", b"h")}
    assert ("alarm/disk_low", b"") in told
    assert _told(announcer, {"alarm/overtemp": b"hot", "health": b"h"}) == []
    announcer.on_connect()
    assert _told(announcer, {"alarm/overtemp": b"hot", "health": b"h"})[:2] == told[:2]


def test_what_the_broker_has_not_answered_is_bounded() -> None:
    announcer, link = Announcer(DeviceTopics("demo", "jetson-1")), Written()
    for _ in range(3):
        announcer.tell(link, {})
    assert len(link.messages) == MOST_IN_FLIGHT


def test_changes_of_one_topic_wait_its_beginning_and_its_end_do_not() -> None:
    now = [100.0]
    announcer = Announcer(DeviceTopics("demo", "jetson-1"), lambda: now[0])
    _told(announcer, {})
    assert _told(announcer, {"alarm/disk_low": b"2 GB"}) == [("alarm/disk_low", b"2 GB")]
    now[0] += 1
    assert _told(announcer, {"alarm/disk_low": b"1 GB"}) == []
    now[0] += 30
    assert _told(announcer, {"alarm/disk_low": b"0 GB"}) == [("alarm/disk_low", b"0 GB")]
    assert _told(announcer, {"alarm/disk_low": b""}) == [("alarm/disk_low", b"")]


@pytest.mark.broker
def test_alarms_are_retained_told_anew_to_a_broker_that_forgot_and_cleared(
    linked: DeviceSettings, stored: Outbox, broker: Broker, start_uplink: StartUplink
) -> None:
    stored.alarms.raise_alarm("camera_stalled", STALLED)
    uplink = start_uplink(linked)
    eventually(lambda: uplink.uplink.report.state == "online", "the connection")
    with receiving(broker) as receiver:
        eventually(lambda: receiver.alarms().get("camera_stalled") == STALLED, "it")
        broker.restart()
        receiver.others.clear()
        eventually(lambda: receiver.alarms().get("camera_stalled") == STALLED, "again")
        stored.alarms.clear_alarm("camera_stalled")
        eventually(lambda: "camera_stalled" not in receiver.alarms(), "its end")
    with receiving(broker, device_id="late") as late:
        eventually(lambda: late.states, "the retained status")
        assert "camera_stalled" not in late.alarms()


@pytest.mark.broker
def test_a_broker_that_retains_an_alarm_of_a_lost_outbox_is_told_that_it_is_over(
    linked: DeviceSettings, stored: Outbox, broker: Broker, start_uplink: StartUplink
) -> None:
    assert stored.epoch
    topic = DeviceTopics("demo", "jetson-1").retained("alarm/overtemp")
    with receiving(broker) as receiver:
        receiver.publish(topic, b'{"detail": "95 C"}', retain=True)
        eventually(lambda: "overtemp" in receiver.alarms(), "the stale one")
        start_uplink(linked)
        eventually(lambda: "overtemp" not in receiver.alarms(), "its end")
