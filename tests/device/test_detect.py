from __future__ import annotations

import logging
import os
import re
import socket
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from edgeclip.contract.detection import Detection
from edgeclip.errors import OutboxError, SetupError, SourceError
from edgeclip_device.capture.opening import captured
from edgeclip_device.capture.source import CapturedSource
from edgeclip_device.config import DeviceSettings
from edgeclip_device.database import DATABASE_FILE, read_meta
from edgeclip_device.detect import detect, opened_detector
from edgeclip_device.detector import DetectOptions, Detector
from edgeclip_device.locks import only_process
from edgeclip_device.notify import Notifier
from edgeclip_device.running import RUNNING, Running
from edgeclip_device.sources.opening import Opening
from edgeclip_device.vitals import VITALS, Vitals
from support.capture_drivers import OPENER, camera, openings
from support.clocks import NOON
from support.drawn_clips import ground, with_blob, write_image
from support.processes import end, running
from support.receivers import eventually

Make = Callable[..., DeviceSettings]


def _rows(state: Path) -> list[Detection]:
    with closing(sqlite3.connect(state / DATABASE_FILE)) as connection:
        rows = connection.execute("SELECT payload FROM outbox ORDER BY seq").fetchall()
    return [Detection.model_validate_json(row[0]) for row in rows]


def test_the_log_says_how_a_clip_ended(
    make_settings: Make, still_clip: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        detect(make_settings(camera={"source": str(still_clip)}), threading.Event())
    assert re.search(r"the source is at its end: [1-9]\d* frames, .* 0 detections", caplog.text)


def test_a_clip_is_watched_to_its_end(make_settings: Make, crossing_clip: Path) -> None:
    settings = make_settings(camera={"source": str(crossing_clip)})
    detect(settings, threading.Event())
    assert [(item.phase, item.class_name) for item in _rows(settings.state)] == [
        ("new", "leopard"),
        ("end", "leopard"),
    ]


def test_a_still_clip_says_nothing(make_settings: Make, still_clip: Path) -> None:
    settings = make_settings(camera={"source": str(still_clip)})
    detect(settings, threading.Event())
    assert _rows(settings.state) == []


def test_a_clips_times_count_from_its_start(make_settings: Make, crossing_clip: Path) -> None:
    settings = make_settings(camera={"source": str(crossing_clip)})
    with opened_detector(settings, Notifier(), DetectOptions(start=NOON)) as detector:
        detector.run(threading.Event())
    started_at = _rows(settings.state)[0].time.started_at
    assert isinstance(started_at, datetime)
    assert timedelta(seconds=3) <= started_at - NOON <= timedelta(seconds=4.5)


def test_it_leaves_for_the_uplink_what_runs(make_settings: Make, still_clip: Path) -> None:
    settings = make_settings(camera={"source": str(still_clip)})
    detect(settings, threading.Event())
    with closing(sqlite3.connect(settings.state / DATABASE_FILE)) as connection:
        found = Running.from_json(read_meta(connection, RUNNING))
    assert found is not None
    assert (found.pack, found.backend, found.precision) == ("leopard@1.0.0", "onnxruntime", "fp32")
    assert found.source == str(still_clip)


def test_junk_among_the_images_of_a_folder_is_one_failure_and_the_rest_goes_on(
    make_settings: Make, tmp_path: Path
) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    for n in range(4):
        write_image(folder / f"{n}.png", with_blob(ground(), 160))
    (folder / "2.png").write_bytes(b"junk")
    (folder / "1b.jpg").write_bytes(b"")
    settings = make_settings(camera={"source": str(folder)})
    with opened_detector(settings, Notifier(), DetectOptions()) as detector:
        detector.run(threading.Event())
        assert (detector.gate_counts.frames, detector.counts.failures) == (3, 2)
    failures = [(item.failure, item.phase) for item in _rows(settings.state)]
    assert failures == [("decode_failed", "new"), ("decode_failed", "end")]


def test_a_folder_of_nothing_but_junk_is_an_error(make_settings: Make, tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(b"junk")
    settings = make_settings(camera={"source": str(folder)})
    with pytest.raises(SourceError, match="not one frame could be read"):
        detect(settings, threading.Event())


def test_single_images_bring_the_advice_how_to_judge_each(
    make_settings: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    image = write_image(tmp_path / "a.png", ground())
    detect(make_settings(camera={"source": str(image)}), threading.Event())
    assert "--motion off --votes 1/1" in caplog.text


def test_each_image_is_judged_where_that_is_asked_for(make_settings: Make, tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    red = ground()
    red[:] = (250, 110, 110)
    write_image(folder / "a.png", ground())
    write_image(folder / "b.png", red)
    settings = make_settings(
        camera={"source": str(folder)}, motion={"algorithm": "off"}, visits={"frames": 1, "of": 1}
    )
    detect(settings, threading.Event())
    assert [item.phase for item in _rows(settings.state)] == ["new", "end"]


def test_a_second_detect_on_the_same_state_is_refused(
    make_settings: Make, still_clip: Path
) -> None:
    settings = make_settings(camera={"source": str(still_clip)})
    with only_process(settings.state, "detect"), pytest.raises(SetupError, match="another detect"):
        detect(settings, threading.Event())


@pytest.fixture
def live(make_settings: Make, still_clip: Path, tmp_path: Path) -> Iterator[Detector]:
    """A detector whose camera gives 20 frames, fails, and comes back at the third opening."""
    settings = make_settings(camera={"source": str(still_clip)})
    address = camera(tmp_path, "frames 20", "absent", "frames 100000")

    def open_scripted(opening: Opening) -> CapturedSource:
        return captured(
            address, opening.camera, opening.state, (0, 0), clock=opening.clock, opener=OPENER
        )

    options = DetectOptions(open_source=open_scripted)
    with opened_detector(settings, Notifier(), options) as detector:
        yield detector


def test_a_camera_that_fails_is_told_and_opened_again(
    live: Detector, make_settings: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stop = threading.Event()
    thread = threading.Thread(target=_stop_after, args=(live, 30, stop))
    thread.start()
    live.run(stop)
    thread.join()
    assert openings(tmp_path) >= 3
    failures = [item.phase for item in _rows(make_settings().state) if item.failure]
    assert failures[:2] == ["new", "end"]
    assert "alarm camera_stalled: camera cannot be opened: plug it in" in caplog.text
    assert "alarm camera_stalled is over" in caplog.text
    assert live.outbox.alarms.standing() == {}
    vitals = Vitals.from_json(live.outbox.noted(VITALS))
    assert vitals is not None
    assert vitals.camera.expected_fps == pytest.approx(50)
    assert vitals.camera.reopens_1h == openings(tmp_path) - 1
    assert vitals.camera.quality in {"fair", "poor"}


def test_a_camera_that_is_missing_at_the_start_is_told_and_waited_for(
    make_settings: Make, tmp_path: Path
) -> None:
    settings = make_settings()
    heard = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd, running(
        "detect", "--source", "/dev/none", "--bundle", settings.inference.bundle or "",
        "--state", settings.state, log=tmp_path / "log", environment={"NOTIFY_SOCKET": str(heard)},
    ) as process:  # fmt: skip
        systemd.bind(str(heard))
        systemd.settimeout(20)
        eventually(lambda: _has_rows(settings.state), "the failure")
        while systemd.recv(500) != b"READY=1":  # no boot waits for a camera
            assert process.poll() is None
        assert process.poll() is None
        assert end(process) == 0
    first = _rows(settings.state)[0]
    assert (first.failure, first.observation_type) == ("camera_failed", "unclassified")
    assert "/dev/none cannot be opened" in (tmp_path / "log").read_text()


def _stop_after(detector: Detector, frames: int, stop: threading.Event) -> None:
    eventually(lambda: detector.gate_counts.frames >= frames, "frames after the failure")
    stop.set()


def test_systemd_hears_that_it_is_ready_after_the_first_frame_and_is_fed(
    make_settings: Make, tmp_path: Path, crossing_clip: Path
) -> None:
    settings = make_settings(camera={"source": str(crossing_clip)})
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(20)
        arguments = (
            "replay", crossing_clip, "--bundle", str(settings.inference.bundle),
            "--state", settings.state, "--speed", "1",
        )  # fmt: skip
        environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "400000"}
        with running(*arguments, log=tmp_path / "log", environment=environment):
            heard = [systemd.recv(500).split(b"=")[0] for _ in range(8)]
    assert heard[0] == b"EXTEND_TIMEOUT_USEC"
    assert heard.index(b"READY") < heard.index(b"WATCHDOG")
    assert heard.count(b"WATCHDOG") >= 3


def test_the_watchdog_is_not_fed_when_the_outbox_cannot_be_written(
    make_settings: Make, tmp_path: Path, still_clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "1000")
        monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
        settings = make_settings(camera={"source": str(still_clip)})
        with (
            closing(Notifier()) as notifier,
            opened_detector(settings, notifier, DetectOptions()) as detector,
            closing(sqlite3.connect(settings.state / DATABASE_FILE)) as other,
        ):
            detector.outbox._connection.execute("PRAGMA busy_timeout = 50")
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(OutboxError, match="locked"):
                detector._beat()
        heard = systemd.recv(500)
    assert b"WATCHDOG" not in heard


def test_sigterm_ends_the_open_visit_and_exits_with_0(
    make_settings: Make, tmp_path: Path, bundle: Path
) -> None:
    from support.drawn_clips import crossing, write_video

    settings = make_settings()
    clip = write_video(tmp_path / "long.mp4", crossing(frames=3000, enter=10, leave=2990))
    file = tmp_path / "device.toml"
    file.write_text("[visits]\nquiet_s = 3600.0\n")
    arguments = (
        "detect", "--config", file, "--source", clip, "--bundle", bundle,
        "--state", settings.state, "--max-fps", "60",
    )  # fmt: skip
    with running(*arguments, log=tmp_path / "log") as process:
        eventually(lambda: _has_rows(settings.state), "the detection")
        assert end(process) == 0
    last = _rows(settings.state)[-1]
    assert (last.phase, last.end_reason) == ("end", "shutdown")


def _has_rows(state: Path) -> bool:
    try:
        return (state / DATABASE_FILE).exists() and bool(_rows(state))
    except sqlite3.OperationalError:  # the tables are being made
        return False


def test_what_runs_is_logged_once(
    make_settings: Make, still_clip: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = make_settings(camera={"source": str(still_clip)})
    with caplog.at_level(logging.INFO):
        detect(settings, threading.Event())
    assert caplog.text.count("runs pack leopard@1.0.0") == 1
    assert caplog.text.count(f"source {still_clip}, gate mog2") == 1
