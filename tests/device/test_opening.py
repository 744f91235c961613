from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from edgeclip.errors import ConfigError, SourceError
from edgeclip_device.camera_settings import CameraSettings
from edgeclip_device.capture.faults import CameraFaultError
from edgeclip_device.credentials import Credentials
from edgeclip_device.frames import Frame
from edgeclip_device.sources.base import Source
from edgeclip_device.sources.opening import Opening, open_source
from edgeclip_device.sources.stills import StillsSource
from edgeclip_device.sources.video import VideoSource
from edgeclip_device.sources.watched import WatchedFolder
from support.clocks import NOON, StandingClock
from support.drawn_clips import ground, write_image
from support.exif import write_jpeg


def _opening(source: str | None) -> Opening:
    camera = CameraSettings(source=source)
    return Opening(camera, Credentials(), StandingClock(), Path("state"), start=NOON)


def test_a_folder_and_an_image_are_stills(tmp_path: Path) -> None:
    path = write_image(tmp_path / "a.png", ground())
    assert isinstance(open_source(_opening(str(path))), StillsSource)
    assert isinstance(open_source(_opening(str(tmp_path))), StillsSource)


def test_another_file_is_a_video(crossing_clip: Path) -> None:
    source = open_source(_opening(str(crossing_clip)))
    assert isinstance(source, VideoSource)
    assert not source.is_live
    source.close()


def test_a_files_time_of_change_is_its_start_where_none_is_given(tmp_path: Path) -> None:
    path = write_image(tmp_path / "a.png", ground())
    camera = CameraSettings(source=str(path))
    opening = Opening(camera, Credentials(), StandingClock(), tmp_path)
    frame = open_source(opening).read()
    assert isinstance(frame, Frame)
    assert frame.captured_at is not None
    assert frame.captured_at.timestamp() == pytest.approx(path.stat().st_mtime)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("no/such/clip.mp4", "there is no no/such/clip.mp4: name an image"),
        ("http://camera/stream", "http:// is no source"),
        ("videotestsrc ! fakesink", "must end in"),
        ("csi://0", "was built without GStreamer|csi://0 cannot be opened"),
    ],
)
def test_what_cannot_be_opened_says_what_to_do(text: str, words: str) -> None:
    with pytest.raises(SourceError, match=words):
        open_source(_opening(text))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("99", "/dev/video99"),
        ("/dev/none", "/dev/none"),
        ("rtsp://127.0.0.1:1/stream", "rtsp://127.0.0.1:1/stream"),
    ],
)
def test_a_camera_that_is_missing_now_says_so_when_it_is_read(text: str, name: str) -> None:
    with closing(open_source(_opening(text))) as source:
        assert source.is_live
        with pytest.raises(CameraFaultError, match=f"{name} cannot be opened"):
            _read_on(source)


def _read_on(source: Source) -> None:
    while source.read() is not None:
        pass


def test_without_a_source_it_says_where_to_name_one() -> None:
    with pytest.raises(ConfigError, match=r"\[camera\]\.source is missing"):
        open_source(_opening(None))


def _watching(folder: Path, **fields: object) -> Opening:
    camera = CameraSettings.model_validate({"source": str(folder), "watch": True, **fields})
    return Opening(camera, Credentials(), StandingClock(), folder.parent / "state")


def test_a_watched_folder_may_be_missing_and_needs_a_time_zone(tmp_path: Path) -> None:
    with closing(open_source(_watching(tmp_path / "card", time_zone="+03:00"))) as source:
        assert isinstance(source, WatchedFolder)
    with pytest.raises(ConfigError, match=r"\[camera\]\.time_zone is missing"):
        open_source(_watching(tmp_path / "card"))


def test_a_file_cannot_be_watched(tmp_path: Path) -> None:
    path = write_image(tmp_path / "a.png", ground())
    with pytest.raises(SourceError, match="wants a folder"):
        open_source(_watching(path, time_zone="UTC"))


def test_with_a_time_zone_a_folders_images_have_the_times_of_their_exif(tmp_path: Path) -> None:
    write_jpeg(tmp_path / "a.jpg", ground(), "2026:05:01 15:00:00")
    camera = CameraSettings(source=str(tmp_path), time_zone="+03:00")
    frame = open_source(Opening(camera, Credentials(), StandingClock(), tmp_path)).read()
    assert isinstance(frame, Frame)
    assert frame.captured_at == NOON
