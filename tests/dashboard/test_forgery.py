"""A device whose password was stolen speaks for nobody else; a real mosquitto with its ACL."""

from __future__ import annotations

import queue
from collections.abc import Iterator

import pytest

from edgeclip.contract.receipts import Receipt
from edgeclip.contract.reports import Status
from edgeclip.contract.topics import DeviceTopics, dashboard_status
from edgeclip_dashboard.config import PASSWORD_VARIABLE, USERNAME_VARIABLE
from support.access_lists import User, guarded_broker, user
from support.brokers import Broker
from support.dashboards import PROJECT, Dashboard, eventually, jpeg, running_dashboard, sample
from support.samples import EPOCH

pytestmark = pytest.mark.broker

VICTIM, THIEF = DeviceTopics(PROJECT, "jetson-1"), DeviceTopics(PROJECT, "jetson-2")


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    folder = tmp_path_factory.mktemp("broker")
    with guarded_broker(folder, "jetson-1", "jetson-2") as running:
        yield running


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory, broker: Broker) -> Iterator[Dashboard]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(USERNAME_VARIABLE, "dashboard")
        environment.setenv(PASSWORD_VARIABLE, "dashboard")
        with running_dashboard(tmp_path_factory.mktemp("dashboard"), broker.url) as running:
            running.wait_online()
            yield running


@pytest.fixture
def thief(broker: Broker) -> Iterator[User]:
    with user(broker, "jetson-2") as connected:
        yield connected


@pytest.fixture
def victim(broker: Broker) -> Iterator[User]:
    with user(broker, "jetson-1") as connected:
        connected.subscribe(f"{VICTIM.prefix}/down/#")
        yield connected


FORGED = Receipt(dashboard_id="dashboard", epoch=EPOCH, received_upto=1000).to_json()


def test_a_device_cannot_publish_for_another(dashboard: Dashboard, thief: User) -> None:
    forged = sample(seq=1, device_id="jetson-1")
    assert not thief.may_publish(VICTIM.detection("alert"), forged.to_json())
    assert not thief.may_publish(VICTIM.media(forged.detection_id, 0), jpeg())
    offline = Status(state="offline", since=None, bdseq=9).to_json()
    assert not thief.may_publish(VICTIM.status, offline, retain=True)
    assert thief.may_publish(THIEF.detection("alert"), sample(device_id="jetson-2").to_json())
    eventually(dashboard.detections, what="its own is stored")
    assert {row["device_id"] for row in dashboard.detections()} == {"jetson-2"}


def test_what_names_another_device_than_its_topic_is_refused(
    dashboard: Dashboard, thief: User
) -> None:
    before = dashboard.health()["since_start"]["malformed"]
    forged = sample(seq=1, device_id="jetson-1")
    assert thief.may_publish(THIEF.detection("alert"), forged.to_json())
    eventually(
        lambda: dashboard.health()["since_start"]["malformed"] == before + 1, what="it is refused"
    )
    stored = {row["detection_id"] for row in dashboard.detections()}
    assert forged.detection_id not in stored


def test_another_devices_detection_cannot_be_changed_by_its_id(
    dashboard: Dashboard, thief: User, victim: User
) -> None:
    mine = sample(seq=1, device_id="jetson-1")
    assert victim.may_publish(VICTIM.detection("alert"), mine.to_json())
    eventually(
        lambda: mine.detection_id in {row["detection_id"] for row in dashboard.detections()},
        what="it is stored",
    )
    changed = mine.model_copy(
        update={"device_id": "jetson-2", "rev": 9, "seq": 7, "phase": "retract"}
    )
    before = dashboard.health()["since_start"]["malformed"]
    assert thief.may_publish(THIEF.detection("alert"), changed.to_json())
    eventually(
        lambda: dashboard.health()["since_start"]["malformed"] > before, what="it is refused"
    )
    [row] = [r for r in dashboard.detections() if r["detection_id"] == mine.detection_id]
    assert (row["rev"], row["phase"], row["device_id"]) == (0, "new", "jetson-1")


def test_a_receipt_can_be_given_by_the_dashboard_alone(
    dashboard: Dashboard, thief: User, victim: User
) -> None:
    assert not thief.may_publish(VICTIM.receipt, FORGED)
    assert not victim.may_publish(VICTIM.receipt, FORGED)
    assert victim.may_publish(
        VICTIM.detection("routine"),
        sample(seq=2, device_id="jetson-1", severity="routine").to_json(),
    )
    topic, payload = victim.received.get(timeout=20)
    told = Receipt.model_validate_json(payload)
    assert (topic, told.received_upto < 1000) == (VICTIM.receipt, True)
    assert dashboard.health()["status"] == "ok"


def test_commands_and_the_dashboards_status_cannot_be_forged(thief: User, victim: User) -> None:
    assert not thief.may_publish(VICTIM.command("disarm"), b"{}")
    assert not thief.may_publish(VICTIM.desired, b"{}", retain=True)
    assert not thief.may_publish(VICTIM.chunk("a" * 64, "0"), b"bytes")
    assert not thief.may_publish(THIEF.command("disarm"), b"{}")
    offline = Status(state="stopped", since=None, bdseq=1).to_json()
    assert not thief.may_publish(dashboard_status(PROJECT), offline, retain=True)
    with pytest.raises(queue.Empty):
        victim.received.get(timeout=0.5)


def test_a_device_reads_nothing_of_another(dashboard: Dashboard, thief: User, victim: User) -> None:
    thief.subscribe("edgeclip/v1/demo/#")
    mine = sample(seq=3, device_id="jetson-1")
    assert victim.may_publish(VICTIM.detection("alert"), mine.to_json())
    victim.received.get(timeout=20)
    assert thief.may_publish(
        THIEF.detection("alert"), sample(seq=9, device_id="jetson-2").to_json()
    )
    topics = set()
    while THIEF.receipt not in topics:
        topics.add(thief.received.get(timeout=20)[0])
    assert topics <= {THIEF.receipt, dashboard_status(PROJECT)}
    assert dashboard.process.poll() is None
