"""detect over a watched folder, as a process of its own."""

from __future__ import annotations

import shutil
import socket
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest

from edgeclip.contract.detection import Detection
from edgeclip.errors import OutboxError
from edgeclip_device.config import DeviceSettings
from edgeclip_device.database import DATABASE_FILE, read_meta
from edgeclip_device.detect import opened_detector
from edgeclip_device.detector import DetectOptions
from edgeclip_device.field.health_gate import judge
from edgeclip_device.notify import Notifier
from edgeclip_device.vitals import VITALS, Vitals
from support.drawn_clips import ground, write_video
from support.exif import write_jpeg
from support.processes import end, running
from support.receivers import eventually

Make = Callable[..., DeviceSettings]


def _rows(state: Path) -> list[Detection]:
    try:
        with closing(sqlite3.connect(state / DATABASE_FILE)) as connection:
            rows = connection.execute("SELECT payload FROM outbox ORDER BY seq").fetchall()
    except sqlite3.OperationalError:  # the tables are being made
        return []
    return [Detection.model_validate_json(row[0]) for row in rows]


def _failures(state: Path) -> list[str]:
    return [item.phase for item in _rows(state) if item.failure == "camera_failed"]


def _has_vitals(state: Path) -> bool:
    with suppress(OutboxError):  # the tables are being made
        return judge(state).vitals is not None
    return False


def test_an_image_that_is_all_strip_is_a_failure_and_the_next_one_is_seen(
    make_settings: Make, bundle: Path, tmp_path: Path
) -> None:
    state, card = make_settings().state, tmp_path / "card"
    card.mkdir()
    red = ground()
    red[:] = (250, 110, 110)
    write_jpeg(card / "a.jpg", red[:30], "2026:05:01 15:00:00")
    write_jpeg(card / "b.jpg", red, "2026:05:01 15:10:00")
    file = tmp_path / "device.toml"
    file.write_text(
        f'[camera]\nsource = "{card}"\nwatch = true\ntime_zone = "+03:00"\nstrip_bottom_px = 20\n'
        '[motion]\nalgorithm = "off"\n[visits]\nframes = 1\nof = 1\nquiet_s = 1.0\n'
    )
    log = tmp_path / "log"
    with running(
        "detect", "--config", file, "--bundle", bundle, "--state", state, log=log
    ) as process:
        eventually(lambda: any(row.class_name for row in _rows(state)), "the second image")
        assert end(process) == 0
    assert [row.phase for row in _rows(state) if row.failure == "decode_failed"] == ["new", "end"]
    assert "strips of 0 + 20 px leave nothing of a frame 30 px high" in log.read_text()


def test_detect_says_how_it_does_soon_after_its_start(
    make_settings: Make, bundle: Path, tmp_path: Path
) -> None:
    state, card = make_settings().state, tmp_path / "card"
    card.mkdir()
    file = tmp_path / "device.toml"
    file.write_text(f'[camera]\nsource = "{card}"\nwatch = true\ntime_zone = "+03:00"\n')
    arguments = ("detect", "--config", file, "--bundle", bundle, "--state", state)
    with running(*arguments, log=tmp_path / "log"):
        eventually(
            lambda: _has_vitals(state), "vitals, before those of half a minute", patience_s=20
        )


def test_a_stop_in_order_in_the_midst_of_a_clip_is_no_crash_and_a_kill_is_one(
    make_settings: Make, bundle: Path, tmp_path: Path
) -> None:
    state, card = make_settings().state, tmp_path / "card"
    card.mkdir()
    write_video(card / "a.mp4", [ground()] * 3000)
    file = tmp_path / "device.toml"
    file.write_text(
        f'[camera]\nsource = "{card}"\nwatch = true\ntime_zone = "+03:00"\n'
        'max_fps = 30.0\n[motion]\nalgorithm = "off"\n'
    )
    arguments = ("detect", "--config", file, "--bundle", bundle, "--state", state)
    counts: list[list[int]] = []
    for is_killed in (False, True, False):
        with running(*arguments, log=tmp_path / "log") as process:
            eventually(lambda: _tries(state) == [len(counts) // 2 + 1], "the clip", 60)
            assert is_killed or end(process) == 0
        counts.append(_tries(state))
    assert counts == [[], [1], []]


def _tries(state: Path) -> list[int]:
    for path in state.glob("watched-*.sqlite"):
        with closing(sqlite3.connect(path)) as connection, suppress(sqlite3.OperationalError):
            return [row[0] for row in connection.execute("SELECT count FROM tries")]
    return []  # not yet


def test_a_card_that_is_pulled_and_put_back_is_told_and_read_on(
    make_settings: Make, bundle: Path, tmp_path: Path
) -> None:
    state, card = make_settings().state, tmp_path / "card"
    card.mkdir()
    red = ground()
    red[:] = (250, 110, 110)
    file = tmp_path / "device.toml"
    file.write_text(
        f'[camera]\nsource = "{card}"\nwatch = true\ntime_zone = "+03:00"\n'
        '[motion]\nalgorithm = "off"\n[visits]\nframes = 1\nof = 1\nquiet_s = 1.0\n'
    )
    arguments = ("detect", "--config", file, "--bundle", bundle, "--state", state)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(30)
        environment = {"NOTIFY_SOCKET": str(tmp_path / "notify")}
        with running(*arguments, log=tmp_path / "log", environment=environment) as process:
            while systemd.recv(500) != b"READY=1":  # an empty folder is watched, too
                pass
            shutil.rmtree(card)
            eventually(lambda: _failures(state) == ["new"], "the failure")
            write_jpeg(card / "a.jpg", red, "2026:05:01 15:00:00")
            eventually(lambda: _failures(state) == ["new", "end"], "its end")
            eventually(
                lambda: [item.phase for item in _rows(state) if item.class_name][-1:] == ["end"],
                "the visit and its end, without a further image",
            )
            assert end(process) == 0
    seen = next(item for item in _rows(state) if item.class_name)
    assert str(seen.time.started_at) == "2026-05-01 12:00:00+00:00"


def _after_s(settings: DeviceSettings, seconds: float) -> Vitals:
    """Return the vitals of a detect that was stopped after so long."""
    stop = threading.Event()
    timer = threading.Timer(seconds, stop.set)
    with opened_detector(settings, Notifier(), DetectOptions()) as detector:
        timer.start()
        detector.run(stop)
    with closing(sqlite3.connect(settings.state / DATABASE_FILE)) as connection:
        found = Vitals.from_json(read_meta(connection, VITALS))
    assert found is not None
    return found


def test_a_folder_that_is_missing_is_one_failure_and_one_alarm_until_it_can_be_read(
    make_settings: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = make_settings(
        camera={"source": str(tmp_path / "card"), "watch": True, "time_zone": "+03:00"}
    )
    assert not _after_s(settings, 4.0).is_waiting
    assert _failures(settings.state).count("new") == 1
    assert caplog.text.count("alarm camera_stalled: ") == 1
    assert "alarm camera_stalled is over" not in caplog.text


def test_a_quiet_folder_is_waited_for(make_settings: Make, tmp_path: Path) -> None:
    (tmp_path / "card").mkdir()
    settings = make_settings(
        camera={"source": str(tmp_path / "card"), "watch": True, "time_zone": "+03:00"}
    )
    found = _after_s(settings, 1.5)
    assert (found.frame_ns, found.is_waiting) == (None, True)
