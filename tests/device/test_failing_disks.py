"""A disk that is full, read-only or damaged: what it holds, and its failure, leave by MQTT."""

from __future__ import annotations

import queue
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeclip.contract.detection import new_id
from edgeclip_device.clock import SystemClock
from edgeclip_device.config import DeviceSettings, MediaSettings, OutboxSettings
from edgeclip_device.credentials import Credentials
from edgeclip_device.database import DATABASE_FILE
from edgeclip_device.events import StopAsked
from edgeclip_device.link_report import UplinkOptions
from edgeclip_device.media import encode
from edgeclip_device.notify import Notifier
from edgeclip_device.outbox import Attachment, Outbox
from edgeclip_device.uplink import Uplink
from support.brokers import Broker
from support.disks import fill, mounted, remount
from support.drawn_clips import ground
from support.processes import end, kill, start
from support.receivers import Receiver, eventually, receiving
from support.samples import detection
from support.threads import background

pytestmark = pytest.mark.broker
IDS = [new_id(n) for n in range(60)]
Make = Callable[..., DeviceSettings]


def _emit(state: Path, first: int, last: int) -> None:
    with closing(Outbox(state, OutboxSettings(), SystemClock())) as outbox:
        for item in IDS[first:last]:
            outbox.emit(detection(detection_id=item))


def _waiting(state: Path) -> int:
    with closing(sqlite3.connect(f"file:{state / DATABASE_FILE}?mode=ro", uri=True)) as connection:
        return int(connection.execute("SELECT count(*) FROM outbox").fetchone()[0])


def _uplink_process(state: Path, broker: Broker, log: Path) -> Any:
    names = ("--device-id", "jetson-1", "--project", "demo")
    return start("uplink", "--state", state, "--broker", broker.url, *names, log=log)


def _has_all(receiver: Receiver, count: int) -> bool:
    return receiver.keys() == {(item, 0) for item in IDS[:count]}


def test_a_full_disk_does_not_end_the_uplink_and_what_is_sent_is_forgotten_when_there_is_room(
    tmp_path: Path, broker: Broker
) -> None:
    with mounted(tmp_path / "disk", "2m") as disk:
        _emit(disk, 0, 20)
        fill(disk / "other")
        process = _uplink_process(disk, broker, tmp_path / "log")
        try:
            with receiving(broker) as receiver:
                eventually(lambda: _has_all(receiver, 20), "all rows")
                eventually(lambda: "outbox_failing" in receiver.alarms(), "the alarm")
                assert "free space" in receiver.alarms()["outbox_failing"]
                assert process.poll() is None
                (disk / "other").unlink()
                eventually(lambda: _waiting(disk) == 0, "the disk forgets them")
                eventually(lambda: "outbox_failing" not in receiver.alarms(), "the alarm is over")
                assert receiver.duplicates() == 0
                _emit(disk, 20, 21)
                eventually(lambda: _has_all(receiver, 21), "what comes later")
        finally:
            kill(process)


def test_detect_and_uplink_find_their_way_out_of_a_disk_full_of_snapshots(
    tmp_path: Path, broker: Broker, crossing_clip: Path, bundle: Path
) -> None:
    with mounted(tmp_path / "disk", "3m") as disk:
        with closing(Outbox(disk, OutboxSettings(), SystemClock())) as outbox:
            for n in range(20):
                noise = np.random.default_rng(n).integers(0, 255, (300, 300, 3)).astype(np.uint8)
                made = Attachment(0, encode(noise, "full", MediaSettings()))
                news = detection(detection_id=IDS[n]).model_copy(update={"media": [made.ref]})
                outbox.emit(news, [made])
        fill(disk / "other")
        arguments = ("--source", crossing_clip, "--bundle", bundle, "--state", disk)
        names = ("--device-id", "jetson-1", "--project", "demo")
        assert start("detect", *arguments, *names, log=tmp_path / "log").wait(60) == 4
        process = _uplink_process(disk, broker, tmp_path / "log")
        try:
            with receiving(broker) as receiver:
                eventually(lambda: len(receiver.media) >= 20, "the snapshots")
                assert "outbox_failing" in receiver.alarms()
                assert start("detect", *arguments, *names, log=tmp_path / "log").wait(60) == 0
                eventually(lambda: len(receiver.keys()) > 20, "what detect saw since")
                eventually(lambda: _waiting(disk) == 0, "the disk forgets what was receipted")
        finally:
            kill(process)


def test_a_disk_that_came_up_read_only_is_told_and_what_it_holds_leaves(
    tmp_path: Path, broker: Broker
) -> None:
    with mounted(tmp_path / "disk", "4m") as disk:
        snapshot = Attachment(0, encode(ground(), "full", MediaSettings()))
        _emit(disk, 0, 3)
        with closing(Outbox(disk, OutboxSettings(), SystemClock())) as outbox:
            outbox.emit(detection(detection_id=IDS[3]), [snapshot])
        (disk / "uplink.lock").touch()  # of the uplink that ran before
        remount(disk, "ro")
        process = _uplink_process(disk, broker, tmp_path / "log")
        try:
            with receiving(broker) as receiver:
                eventually(lambda: _has_all(receiver, 4), "all rows")
                eventually(lambda: snapshot.snapshot.sha256 in receiver.media, "the snapshot")
                alarms = {"outbox_failing", "disk_read_only"}
                eventually(lambda: alarms <= receiver.alarms().keys(), "the alarms")
                assert end(process) == 0, (tmp_path / "log").read_text()
        finally:
            kill(process)


def test_after_a_power_cut_a_read_only_disk_gives_what_lies_in_sqlites_log_alone(
    tmp_path: Path, broker: Broker
) -> None:
    with mounted(tmp_path / "disk", "4m") as disk:
        with closing(Outbox(disk / "lived", OutboxSettings(), SystemClock())) as outbox:
            for item in IDS[:3]:
                outbox.emit(detection(detection_id=item))
            (disk / "cut").mkdir()
            for path in (disk / "lived").glob(f"{DATABASE_FILE}*"):
                (disk / "cut" / path.name).write_bytes(path.read_bytes())
        (disk / "cut" / "uplink.lock").touch()
        remount(disk, "ro")
        process = _uplink_process(disk / "cut", broker, tmp_path / "log")
        try:
            with receiving(broker) as receiver:
                eventually(lambda: _has_all(receiver, 3), "all rows")
        finally:
            kill(process)


@contextmanager
def _uplink(settings: DeviceSettings, requests: Path) -> Iterator[None]:
    """Run an uplink that can ask for a restart of detect."""
    requests.mkdir()
    options = UplinkOptions(requests=requests, look_at_disk_s=0.2)
    made: queue.SimpleQueue[Uplink] = queue.SimpleQueue()

    def work() -> None:
        clock, notifier = SystemClock(), Notifier()
        uplink = Uplink(settings, Credentials(), clock=clock, notifier=notifier, options=options)
        made.put(uplink)
        uplink.run()

    with background(work):
        uplink = made.get(timeout=20)
        try:
            yield
        finally:
            uplink.events.put(StopAsked())


def test_damage_that_the_uplink_meets_is_told_and_detect_is_asked_to_set_it_aside(
    make_settings: Make, broker: Broker, tmp_path: Path
) -> None:
    settings = make_settings(mqtt={"url": broker.url})
    settings.state.mkdir()
    (settings.state / DATABASE_FILE).write_bytes(b"rubbish" * 1000)
    with _uplink(settings, tmp_path / "requests"), receiving(broker) as receiver:
        eventually(lambda: "outbox_failing" in receiver.alarms(), "the alarm")
        assert (tmp_path / "requests" / "restart-detect").is_file()
        _emit(settings.state, 0, 2)  # as detect does at its start
        eventually(lambda: _has_all(receiver, 2), "the new outbox is worked off")
        eventually(lambda: "outbox_reset" in receiver.alarms(), "it is told")
        eventually(lambda: "outbox_failing" not in receiver.alarms(), "the alarm is over")


def test_what_can_be_read_of_a_damaged_outbox_leaves(
    make_settings: Make, broker: Broker, tmp_path: Path
) -> None:
    settings = make_settings(mqtt={"url": broker.url})
    _emit(settings.state, 0, 60)
    path = settings.state / DATABASE_FILE
    with closing(sqlite3.connect(path)) as connection:
        statement = "SELECT rootpage FROM sqlite_master WHERE name = 'retained'"
        page = connection.execute(statement).fetchone()[0]
        size = connection.execute("PRAGMA page_size").fetchone()[0]
    data = bytearray(path.read_bytes())
    data[(page - 1) * size : page * size] = b"\xff" * size
    path.write_bytes(data)
    with _uplink(settings, tmp_path / "requests"), receiving(broker) as receiver:
        eventually(lambda: _has_all(receiver, 60), "all rows")
        eventually(lambda: "malformed" in receiver.alarms().get("outbox_failing", ""), "the alarm")
