"""kill -9 at any moment: nothing that was committed is lost, and the outbox opens again."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from edgeclip.contract.detection import Detection
from edgeclip_device.clock import SystemClock
from edgeclip_device.config import DeviceSettings, OutboxSettings
from edgeclip_device.database import DATABASE_FILE
from edgeclip_device.outbox import Outbox
from support.brokers import Broker
from support.drawn_clips import crossing, write_video
from support.processes import kill, running, start
from support.receivers import Receiver, eventually, receiving
from support.samples import detection

WRITER = """
import sys
from pathlib import Path
sys.path[:0] = [sys.argv[2]]
from edgeclip.contract.detection import new_id
from edgeclip_device.config import MediaSettings, OutboxSettings
from edgeclip_device.media import encode
from edgeclip_device.outbox import Attachment, Outbox
from support.clocks import StandingClock
from support.drawn_clips import ground
from support.samples import detection
outbox = Outbox(Path(sys.argv[1]), OutboxSettings(), StandingClock())
for n in range(100_000):
    made = Attachment(0, encode(ground(n, (32, 32)), "full", MediaSettings()))
    news = detection(detection_id=new_id(n)).model_copy(update={"media": [made.ref]})
    print(outbox.emit(news, [made]), made.snapshot.sha256, flush=True)
"""
TESTS = Path(__file__).parents[1]


def _killed_writer(state: Path, lifetime_s: float) -> list[tuple[int, str]]:
    """Return what a process said was committed before it was killed."""
    command = [sys.executable, "-c", WRITER, str(state), str(TESTS)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        lines = [writer.stdout.readline()]
        time.sleep(lifetime_s)
        writer.kill()
        lines += writer.stdout.read().splitlines(keepends=True)
    whole = [line.split() for line in lines if line.endswith("\n") and len(line.split()) == 2]
    return [(int(seq), digest) for seq, digest in whole]


def test_every_row_that_emit_returned_is_there_after_a_kill(tmp_path: Path) -> None:
    draw = random.Random(5)
    said: list[tuple[int, str]] = []
    for _ in range(5):
        said += _killed_writer(tmp_path, draw.uniform(0.02, 0.4))
        with closing(Outbox(tmp_path, OutboxSettings(), SystemClock())) as outbox:
            assert outbox.waiting()[0] >= len(said)
    assert not list(tmp_path.glob("*damaged*"))
    with closing(sqlite3.connect(tmp_path / DATABASE_FILE)) as connection:
        rows = connection.execute("SELECT seq, payload FROM outbox").fetchall()
    found = {seq: Detection.model_validate_json(payload) for seq, payload in rows}
    assert {seq for seq, _ in said} <= set(found)
    for seq, digest in said:
        assert found[seq].media[0].sha256 == digest
        assert (tmp_path / "media" / f"{digest}.jpg").stat().st_size > 0


@pytest.mark.broker
def test_an_uplink_killed_again_and_again_loses_nothing(
    make_settings: Callable[..., DeviceSettings], broker: Broker, tmp_path: Path
) -> None:
    settings = make_settings()
    draw = random.Random(7)
    arguments = (
        "uplink", "--config", _config(tmp_path, settings, broker), "--state", settings.state,
    )  # fmt: skip
    with (
        closing(Outbox(settings.state, settings.outbox, SystemClock())) as outbox,
        receiving(broker) as receiver,
    ):
        ids = [f"018bcfe5-6800-79d7-baa4-{n:012x}" for n in range(240)]
        for part in range(4):
            for item in ids[part * 60 : part * 60 + 60]:
                outbox.emit(detection(detection_id=item))
            uplink = start(*arguments, log=tmp_path / "uplink.log")
            eventually(partial(_has_more_than, receiver, 60 * part), "some of this part")
            time.sleep(draw.uniform(0, 0.05))
            kill(uplink)
        with running(*arguments, log=tmp_path / "uplink.log"):
            eventually(lambda: outbox.waiting() == (0, 0), "all receipts")
    assert receiver.keys() == {(item, 0) for item in ids}
    assert not list(settings.state.glob("*damaged*"))


def test_a_detect_that_is_killed_in_a_visit_closes_it_at_its_next_start(
    make_settings: Callable[..., DeviceSettings], tmp_path: Path
) -> None:
    settings = make_settings()
    clip = write_video(tmp_path / "long.mp4", crossing(frames=900, enter=10, leave=880))
    bundle = settings.inference.bundle
    assert bundle is not None
    arguments = ("replay", clip, "--bundle", bundle, "--state", settings.state, "--speed", "1")
    with running(*arguments, log=tmp_path / "detect.log") as detect:
        database = settings.state / DATABASE_FILE
        eventually(lambda: database.exists() and _revisions(database), "the first detection")
        kill(detect)
    assert [(item.rev, item.phase) for item in _revisions(database)] == [(0, "new")]
    with running(*arguments, log=tmp_path / "detect.log"):
        eventually(lambda: len(_revisions(database)) >= 2, "the end of the open visit")
    opened, closed = _revisions(database)[:2]
    assert closed.detection_id == opened.detection_id
    assert (closed.rev, closed.phase, closed.end_reason) == (1, "end", "restart")


def _has_more_than(receiver: Receiver, count: int) -> bool:
    return len(receiver.keys()) > count


def _revisions(database: Path) -> list[Detection]:
    try:
        with closing(sqlite3.connect(database, timeout=5)) as connection:
            rows = connection.execute("SELECT payload FROM outbox ORDER BY seq").fetchall()
    except sqlite3.OperationalError:  # the tables are being made
        return []
    return [Detection.model_validate_json(row[0]) for row in rows]


def _config(folder: Path, settings: DeviceSettings, broker: Broker) -> Path:
    file = folder / "device.toml"
    file.write_text(
        f'device_id = "{settings.device_id}"\n[mqtt]\nurl = "{broker.url}"\nretry_max_s = 1.0\n'
        "[uplink]\nresend_s = 0.5\npoll_s = 0.1\n"
    )
    return file
