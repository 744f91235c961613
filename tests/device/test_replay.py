from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import cv2
import pytest

from edgeclip.errors import PublishError, SetupError, SourceError
from edgeclip_device.alarms import opened_alarms
from edgeclip_device.clock import SystemClock
from edgeclip_device.config import DeviceSettings
from edgeclip_device.locks import only_process
from edgeclip_device.replay import ReplayOptions, replay
from edgeclip_device.replay_tables import summary_table
from support.brokers import Broker, free_port, running_broker
from support.clocks import NOON
from support.drawn_clips import ground
from support.receivers import eventually, receiving

Make = Callable[..., DeviceSettings]


def test_without_a_broker_the_detections_lie_in_the_outbox(
    make_settings: Make, crossing_clip: Path
) -> None:
    result = replay(make_settings(camera={"source": str(crossing_clip)}), ReplayOptions(start=NOON))
    (found,) = result.detections
    assert (found.detection.class_name, found.detection.phase) == ("leopard", "end")
    assert 3 <= found.confirmed_at_s <= 4.5
    assert found.commit_ms is not None
    assert found.receipt_ms is None
    assert (result.broker, result.is_delivered, result.waiting[0]) == (None, False, 2)


def test_without_a_motion_gate_no_frame_is_said_to_be_opened_by_motion(
    make_settings: Make, crossing_clip: Path
) -> None:
    settings = make_settings(camera={"source": str(crossing_clip)}, motion={"algorithm": "off"})
    cells = list(summary_table(replay(settings, ReplayOptions())).columns[1].cells)
    assert any(": without a motion gate; " in str(cell) for cell in cells)
    assert not any("opened by motion" in str(cell) for cell in cells)


def test_a_folder_of_single_images_that_shows_nothing_says_why_beside_the_figure(
    make_settings: Make, tmp_path: Path
) -> None:
    for number in range(3):
        cv2.imwrite(str(tmp_path / f"{number}.png"), ground())
    settings = make_settings(camera={"source": str(tmp_path)})
    result = replay(settings, ReplayOptions())
    names, cells = (list(column.cells) for column in summary_table(result).columns)
    row = names.index("detections")
    assert str(cells[row]).startswith("0, ")
    assert cells[row + 1] == (
        "single images have neither motion nor votes: --motion off --votes 1/1 judges each"
    )
    judged = settings.model_copy(
        update={
            "motion": settings.motion.model_copy(update={"algorithm": "off"}),
            "visits": settings.visits.model_copy(update={"frames": 1, "of": 1}),
        }
    )
    assert replay(judged, ReplayOptions()).hint == ""


@pytest.mark.broker
def test_on_a_desk_neither_clock_nor_backend_is_an_alarm(
    make_settings: Make, still_clip: Path, broker: Broker, caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setitem(sys.modules, "tensorrt", None)  # importing it fails, installed or not
    settings = make_settings(
        camera={"source": str(still_clip)}, mqtt={"url": broker.url}, inference={"backend": "auto"}
    )
    with receiving(broker):
        replay(settings, ReplayOptions())
    assert not [record for record in caplog.records if record.levelname in ("ERROR", "WARNING")]
    with opened_alarms(settings.state, SystemClock()) as alarms:
        assert not alarms.standing()


def test_every_frame_is_gated_or_classified(make_settings: Make, crossing_clip: Path) -> None:
    result = replay(make_settings(camera={"source": str(crossing_clip)}), ReplayOptions())
    gate = result.gate
    assert gate.frames == 60
    assert gate.gated + gate.opened + gate.held + gate.forced == 60
    assert result.counts.classified == 60 - gate.gated


@pytest.mark.broker
def test_everything_arrives_with_its_receipt(
    make_settings: Make, crossing_clip: Path, broker: Broker
) -> None:
    settings = make_settings(camera={"source": str(crossing_clip)}, mqtt={"url": broker.url})
    with receiving(broker) as receiver:
        result = replay(settings, ReplayOptions(start=NOON))
    assert result.is_delivered
    assert result.drain.receipted == result.counts.revisions == len(receiver.keys()) == 2
    assert result.drain.media_receipted == len(receiver.media) > 0
    assert result.detections[0].receipt_ms is not None
    best_at = next(iter(receiver.detections.values())).time.best_at
    assert best_at is not None
    assert timedelta(0) < best_at - NOON < timedelta(seconds=12)
    assert receiver.states[-1] == "stopped"


@pytest.mark.broker
def test_a_temporary_state_is_removed_when_all_is_delivered_and_kept_otherwise(
    make_settings: Make, crossing_clip: Path, broker: Broker, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    settings = make_settings(camera={"source": str(crossing_clip)}, mqtt={"url": broker.url})
    fields = {name: getattr(settings, name) for name in settings.model_fields_set - {"state"}}
    settings = DeviceSettings.model_construct(**fields)
    with receiving(broker) as receiver:
        delivered = replay(settings, ReplayOptions())
        receiver.gives_receipts = False
        waiting = replay(settings, ReplayOptions(wait_s=0.5))
    assert delivered.is_delivered
    assert not delivered.state.exists()
    assert not waiting.is_delivered
    assert waiting.state.is_dir()


@pytest.mark.broker
def test_a_broker_killed_and_restarted_in_the_middle_of_a_replay_loses_nothing(
    make_settings: Make, crossing_clip: Path, tmp_path: Path
) -> None:
    with running_broker(tmp_path / "b") as broker:
        settings = make_settings(camera={"source": str(crossing_clip)}, mqtt={"url": broker.url})
        with receiving(broker) as receiver:

            def kill_when_something_came() -> None:
                eventually(receiver.keys, "the first detection")
                broker.restart()

            killer = threading.Thread(target=kill_when_something_came)
            killer.start()
            result = replay(settings, ReplayOptions(speed=4.0))
            killer.join()
    assert result.is_delivered
    assert sorted(rev for _, rev in receiver.detections) == [0, 1]


def test_a_broker_that_is_not_there_leaves_everything_in_the_outbox(
    make_settings: Make, crossing_clip: Path
) -> None:
    url = f"mqtt://127.0.0.1:{free_port()}"
    settings = make_settings(camera={"source": str(crossing_clip)}, mqtt={"url": url})
    result = replay(settings, ReplayOptions(wait_s=1.0))
    assert not result.is_delivered
    assert result.waiting[0] == 2
    assert result.last_error is not None
    assert "cannot connect" in result.last_error


@pytest.mark.broker
def test_a_refused_login_ends_the_waiting(
    make_settings: Make, crossing_clip: Path, tmp_path: Path
) -> None:
    (tmp_path / "passwords").write_text("")
    lines = (f"password_file {tmp_path / 'passwords'}", "allow_anonymous false")
    with running_broker(tmp_path / "b", settings=lines) as broker:
        settings = make_settings(camera={"source": str(crossing_clip)}, mqtt={"url": broker.url})
        with pytest.raises(PublishError, match="EDGECLIP_MQTT_USERNAME"):
            replay(settings, ReplayOptions(wait_s=60.0))


def test_a_state_folder_that_another_detect_uses_is_refused(
    make_settings: Make, crossing_clip: Path
) -> None:
    settings = make_settings(camera={"source": str(crossing_clip)})
    with only_process(settings.state, "detect"), pytest.raises(SetupError, match="another detect"):
        replay(settings, ReplayOptions())


def test_a_clip_that_is_missing_says_so(make_settings: Make) -> None:
    with pytest.raises(SourceError, match=r"there is no none\.mp4"):
        replay(make_settings(camera={"source": "none.mp4"}), ReplayOptions())
