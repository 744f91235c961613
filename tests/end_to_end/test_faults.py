"""What happens on a tree: the broker dies, the processes die; nothing committed is lost."""

from __future__ import annotations

import json
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from end_to_end.conftest import CONFIG, VISITS
from support.brokers import Broker, running_broker
from support.dashboards import PROJECT, Dashboard, eventually, running_dashboard

EDGECLIP_DEVICE = str(Path(sys.executable).with_name("edgeclip-device"))
pytestmark = [pytest.mark.broker, pytest.mark.slow]


class Device:
    """The two processes of a device, on one configuration file."""

    def __init__(self, folder: Path, clip: Path, bundle: Path, broker: Broker) -> None:
        folder.mkdir()
        self.state = folder / "state"
        self.config = folder / "device.toml"
        self.log = folder / "device.log"
        text = CONFIG.format(
            project=PROJECT, state=self.state, clip=clip, bundle=bundle, broker=broker.url
        )
        self.config.write_text(text)

    def start(self, command: str, *more: str) -> subprocess.Popen[bytes]:
        words = [EDGECLIP_DEVICE, command, *more]
        with self.log.open("ab") as log:
            return subprocess.Popen([*words, "--config", str(self.config)], stdout=log, stderr=log)

    def rows(self) -> list[tuple[int, str]]:
        """Return number and message id of all rows that the outbox still holds."""
        database = sqlite3.connect(f"file:{self.state / 'outbox.sqlite'}?mode=ro", uri=True)
        try:
            assert database.execute("PRAGMA quick_check").fetchone() == ("ok",)
            return list(database.execute("SELECT seq, message_id FROM outbox ORDER BY seq"))
        finally:
            database.close()


def _once_each(dashboard: Dashboard) -> list[str]:
    """Return the ids on the page, after checking that none is there twice."""
    ids = [row["detection_id"] for row in dashboard.detections()]
    assert [name for name, count in Counter(ids).items() if count > 1] == []
    return ids


def test_a_broker_killed_in_the_middle_of_a_replay_loses_and_doubles_nothing(
    tmp_path: Path, clip: Path, bundle: Path
) -> None:
    with running_broker(tmp_path / "broker") as broker:
        device = Device(tmp_path / "device", clip, bundle, broker)
        with running_dashboard(tmp_path / "dashboard", broker.url) as dashboard:
            dashboard.wait_online()
            words = [EDGECLIP_DEVICE, "replay", str(clip), "--json"]
            replay = subprocess.Popen(
                [*words, "--speed", "1", "--config", str(device.config)],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            eventually(lambda: len(dashboard.detections()) >= 1, what="the first visit is there")
            broker.kill()
            time.sleep(4.0)  # the next visit is decided while there is no broker
            broker.start()
            output, errors = replay.communicate(timeout=120)
            assert replay.returncode == 0, errors
            result = json.loads(output)
            committed = [row["detection"]["detection_id"] for row in result["detections"]]
            assert len(committed) == VISITS
            assert result["is_delivered"]
            eventually(
                lambda: sorted(_once_each(dashboard)) == sorted(committed), what="all are there"
            )
            assert all(row["media"] for row in dashboard.detections())


def test_an_uplink_killed_at_any_moment_loses_nothing(
    tmp_path: Path, clip: Path, bundle: Path
) -> None:
    moments = random.Random(5)  # moments to kill at, not secrets
    with running_broker(tmp_path / "broker") as broker:
        device = Device(tmp_path / "device", clip, bundle, broker)
        assert device.start("detect").wait(60) == 0
        committed = {message for _, message in device.rows()}
        assert len(committed) >= VISITS
        with running_dashboard(tmp_path / "dashboard", broker.url) as dashboard:
            dashboard.wait_online()
            for _ in range(6):
                uplink = device.start("uplink")
                time.sleep(moments.uniform(0.2, 1.4))
                uplink.send_signal(signal.SIGKILL)
                uplink.wait(10)
            uplink = device.start("uplink")
            try:
                eventually(lambda: device.rows() == [], what="all rows are receipted")
            finally:
                uplink.send_signal(signal.SIGTERM)
                assert uplink.wait(20) == 0
            assert len(_once_each(dashboard)) == VISITS
            (known,) = dashboard.get("/api/devices")
            assert known["gaps"] == []


def test_a_detector_killed_at_any_moment_leaves_an_outbox_that_opens_with_all_rows(
    tmp_path: Path, clip: Path, bundle: Path
) -> None:
    moments = random.Random(6)  # moments to kill at, not secrets
    with running_broker(tmp_path / "broker") as broker:
        device = Device(tmp_path / "device", clip, bundle, broker)
        seen: list[tuple[int, str]] = []
        for _ in range(6):
            detect = device.start("detect")
            time.sleep(moments.uniform(1.0, 4.0))
            detect.send_signal(signal.SIGKILL)
            detect.wait(10)
            if (device.state / "outbox.sqlite").exists():
                rows = device.rows()
                assert rows[: len(seen)] == seen
                seen = rows
        assert device.start("detect").wait(60) == 0
        rows = device.rows()
        assert rows[: len(seen)] == seen
        assert [seq for seq, _ in rows] == list(range(1, len(rows) + 1))
