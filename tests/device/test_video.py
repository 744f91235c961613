from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from edgeclip.errors import SourceError
from edgeclip_device.frames import Frame
from edgeclip_device.sources.video import VideoSource, VideoTiming
from support.clocks import NOON
from support.drawn_clips import RED, ground, write_video


def _frames(path: Path, max_fps: float = 60.0) -> list[Frame]:
    with closing(VideoSource(path, VideoTiming(NOON, max_fps))) as source:
        found = []
        while (frame := source.read()) is not None:
            found.append(frame)
        return found


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "mp4v"), ("a.avi", "MJPG")])
def test_every_frame_comes_with_its_time_in_the_clip(tmp_path: Path, name: str, codec: str) -> None:
    frames = _frames(write_video(tmp_path / name, [ground()] * 20, codec=codec))
    assert [frame.number for frame in frames] == list(range(20))
    assert frames[15].at_s == pytest.approx(1.5)
    assert frames[15].captured_at == NOON + timedelta(seconds=1.5)


@pytest.mark.parametrize(("max_fps", "numbers"), [(5, [0, 2, 4, 6, 8]), (3, [0, 4, 7]), (1, [0])])
def test_frames_above_the_rate_are_passed_over(
    tmp_path: Path, max_fps: float, numbers: list[int]
) -> None:
    frames = _frames(write_video(tmp_path / "a.mp4", [ground()] * 10), max_fps)
    assert [frame.number for frame in frames] == numbers


def test_colours_are_red_green_blue(tmp_path: Path) -> None:
    image = ground()
    image[:] = RED
    red, green, blue = _frames(write_video(tmp_path / "a.mp4", [image]))[0].image[100, 100]
    assert red > 220 > 140 > max(green, blue)


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="check the path"):
        VideoSource(tmp_path / "none.mp4", VideoTiming(NOON, 5))


def test_an_empty_file_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"")
    with pytest.raises(SourceError, match=r"is empty \(0 bytes\)"):
        VideoSource(tmp_path / "a.mp4", VideoTiming(NOON, 5))


@pytest.mark.parametrize("data", [b"no video at all" * 100, b"\x00" * 10_000])
def test_rubbish_is_no_video_and_the_remedy_is_named(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.mp4").write_bytes(data)
    with pytest.raises(SourceError, match="ffmpeg -i"):
        _frames(tmp_path / "a.mp4")


def test_a_file_that_is_cut_short_is_no_video(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", [ground(n) for n in range(30)])
    path.write_bytes(path.read_bytes()[:20_000])
    with pytest.raises(SourceError, match="damaged"):
        _frames(path)


def test_a_clip_whose_end_is_lost_gives_the_frames_before(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.avi", [ground(n) for n in range(30)], codec="MJPG")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert 5 < len(_frames(path)) < 30
