"""Two real instances of the dashboard on one PostgreSQL, at one mosquitto."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from edgeclip.contract.reports import Status
from support.brokers import Broker, running_broker
from support.dashboards import (
    Dashboard,
    eventually,
    field_device,
    jpeg,
    media_ref,
    retained,
    running_dashboard,
)
from support.postgres import Postgres


@contextmanager
def _instances(
    postgres: Postgres, folder: Path, broker: Broker, count: int = 2
) -> Iterator[list[Dashboard]]:
    url = postgres.new_database()
    options = ["--database", url, "--shared-group", "rangers", "--auth", "none"]
    with ExitStack() as stack:
        running = []
        for number in range(count):
            name = ("--dashboard-id", f"instance-{number}")
            running.append(
                stack.enter_context(running_dashboard(folder, broker.url, *options, *name))
            )
        for dashboard in running:
            dashboard.wait_online()
        yield running


def _has_detections(dashboard: Dashboard, count: int) -> Callable[[], bool]:
    return lambda: len(dashboard.detections()) == count


def _has_media(dashboard: Dashboard) -> Callable[[], bool]:
    return lambda: bool(dashboard.detections()[0]["media"])


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """A mosquitto that knows nothing."""
    with running_broker(tmp_path / "broker") as running:
        yield running


@pytest.mark.postgres
@pytest.mark.broker
def test_a_group_shares_the_load_and_receipts_what_any_of_it_stored(
    postgres: Postgres, broker: Broker, tmp_path: Path
) -> None:
    with (
        _instances(postgres, tmp_path, broker) as (one, two),
        field_device(broker.url) as device,
    ):
        sent = [device.sample(seq=seq) for seq in range(1, 41)]
        for what in sent:
            device.send(what)
        eventually(
            lambda: any(r.received_upto == 40 for r in device.seen()),
            what="one receipt names all rows, whoever stored them",
        )
        for dashboard in (one, two):
            eventually(_has_detections(dashboard, 40), what="both show all")
            assert dashboard.get("/api/devices")[0]["gaps"] == []
        stored = [dashboard.health()["since_start"]["detections"] for dashboard in (one, two)]
    assert sum(stored) == 40
    assert min(stored) > 0


@pytest.mark.postgres
@pytest.mark.broker
def test_parts_of_a_snapshot_are_joined_whichever_instance_gets_them(
    postgres: Postgres, broker: Broker, tmp_path: Path
) -> None:
    data = jpeg(size=(320, 200))
    with (
        _instances(postgres, tmp_path, broker) as (one, two),
        field_device(broker.url) as device,
    ):
        what = device.sample(seq=1, media=[media_ref(data)])
        device.send(what)
        size = len(data) // 5 + 1
        topic = device.topics.media(what.detection_id, 0)
        for part in range(5):
            device.publish(f"{topic}/{part + 1}-5", data[part * size : (part + 1) * size])
        eventually(lambda: [r for r in device.seen() if r.media], what="it is receipted")
        for dashboard in (one, two):
            eventually(_has_media(dashboard), what="both show it")


@pytest.mark.postgres
@pytest.mark.broker
@pytest.mark.parametrize("how", ["stop", "kill"])
def test_when_one_of_two_goes_the_other_says_that_a_dashboard_is_there(
    postgres: Postgres, broker: Broker, tmp_path: Path, how: str
) -> None:
    topic = "edgeclip/v1/demo/dashboard/status"
    with (
        _instances(postgres, tmp_path, broker) as (one, two),
        field_device(broker.url) as device,
    ):
        before = Status.model_validate_json(retained(broker.url, topic))
        gone, left = (two, one) if before.state == "online" else (one, two)
        getattr(gone, how)()

        def is_answered() -> bool:
            now = Status.model_validate_json(retained(broker.url, topic))
            return now.state == "online" and now.bdseq != before.bdseq

        eventually(is_answered, what="the other one says online")
        for seq in range(1, 11):
            device.send(device.sample(seq=seq))
        eventually(lambda: any(r.received_upto == 10 for r in device.seen()), what="it has all")
        assert left.stop() == 0
        eventually(
            lambda: Status.model_validate_json(retained(broker.url, topic)).state == "stopped",
            what="nobody is there any more",
        )
