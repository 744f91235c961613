from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from edgeclip.errors import SourceError
from edgeclip_device.capture.faults import CameraFaultError
from edgeclip_device.frames import Frame, NothingYet
from edgeclip_device.sources.done_files import DoneFiles
from edgeclip_device.sources.watched import WatchedFolder, Watching
from support.drawn_clips import ground, write_video
from support.exif import write_jpeg

NAIROBI = timezone(timedelta(hours=3))
Watch = Callable[..., WatchedFolder]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "card"
    made.mkdir()
    return made


@pytest.fixture
def watch(tmp_path: Path, folder: Path) -> Iterator[Watch]:
    """Watches the folder, impatiently; each time as after a restart."""
    with ExitStack() as stack:

        def begin(patience_s: float = 0.3) -> WatchedFolder:
            watching = Watching(
                NAIROBI, 1.0, 5.0, scan_s=0.02, settle_s=0.05, patience_s=patience_s
            )
            source = WatchedFolder(folder, DoneFiles(tmp_path / "done.sqlite"), watching)
            stack.callback(source.close)
            return source

        yield begin


def _frames(source: WatchedFolder, quiet: int = 20) -> list[Frame]:
    """Return the frames that come before it has been quiet for so many reads."""
    found, nothing = [], 0
    while nothing < quiet:
        frame = source.read()
        nothing = nothing + 1 if isinstance(frame, NothingYet) else 0
        if isinstance(frame, Frame):
            found.append(frame)
    return found


def _names(source: WatchedFolder, caplog: pytest.LogCaptureFixture) -> str:
    _frames(source)
    return caplog.text


def test_images_come_in_the_order_of_their_names_with_the_time_of_their_exif(
    folder: Path, watch: Watch
) -> None:
    write_jpeg(folder / "DCIM/100/IMG_10.JPG", ground(), "2026:05:01 05:30:10")
    write_jpeg(folder / "DCIM/100/IMG_9.JPG", ground(), "2026:05:01 05:30:00")
    write_jpeg(folder / "DCIM/101/IMG_1.JPG", ground(), "2026:05:01 05:30:40")
    frames = _frames(watch())
    start = datetime(2026, 5, 1, 2, 30, tzinfo=timezone.utc)
    assert [frame.captured_at for frame in frames] == [
        start, start + timedelta(seconds=10), start + timedelta(seconds=40),
    ]  # fmt: skip
    assert [frame.at_s - frames[0].at_s for frame in frames] == pytest.approx([0, 10, 40], abs=1)
    assert [frame.number for frame in frames] == [0, 1, 2]


def test_what_comes_later_is_taken_and_time_goes_on_between(folder: Path, watch: Watch) -> None:
    source = watch()
    first = source.read()
    assert isinstance(first, NothingYet)
    write_jpeg(folder / "a.jpg", ground(), "2026:05:01 05:30:00")
    (frame,) = _frames(source)
    later = source.read()
    assert isinstance(later, NothingYet)
    assert later.at_s > frame.at_s > first.at_s


def test_a_clock_that_steps_back_is_another_scene(folder: Path, watch: Watch) -> None:
    write_jpeg(folder / "a.jpg", ground(), "2026:05:01 05:30:00")
    write_jpeg(folder / "b.jpg", ground(), "2025:05:01 05:30:00")
    first, second = _frames(watch())
    assert second.at_s - first.at_s >= 3600


def test_an_image_without_exif_has_its_time_of_change(folder: Path, watch: Watch) -> None:
    os.utime(write_jpeg(folder / "a.jpg", ground()), (1_800_000_000, 1_800_000_000))
    (frame,) = _frames(watch())
    assert frame.captured_at == datetime.fromtimestamp(1_800_000_000, timezone.utc)


def test_done_files_are_remembered_over_restarts(folder: Path, watch: Watch) -> None:
    for name in ("a.jpg", "b.jpg"):
        write_jpeg(folder / name, ground())
    assert len(_frames(watch())) == 2
    write_jpeg(folder / "c.jpg", ground())
    assert len(_frames(watch())) == 1
    time.sleep(0.01)
    write_jpeg(folder / "a.jpg", ground(1))  # another image of that name, after a card was wiped
    assert len(_frames(watch())) == 1


def test_a_file_that_was_not_through_the_pipeline_is_read_again(folder: Path, watch: Watch) -> None:
    write_jpeg(folder / "a.jpg", ground())
    source = watch()
    while not isinstance(source.read(), Frame):
        pass
    source.close()
    assert len(_frames(watch())) == 1


def _begin(source: WatchedFolder) -> Frame:
    """Read until the first frame: what is done with it is not seen by the source."""
    while not isinstance(frame := source.read(), Frame):
        pass
    return frame


def test_a_file_with_which_detect_ended_three_times_is_set_aside_and_the_rest_goes_on(
    folder: Path, watch: Watch
) -> None:
    write_jpeg(folder / "a.jpg", ground(), "2026:05:01 05:30:00")
    write_jpeg(folder / "b.jpg", ground(), "2026:05:01 06:30:00")
    taken = [_begin(watch()).captured_at for _ in range(3)]
    assert {at.hour for at in taken if at is not None} == {2}
    source = watch()
    with pytest.raises(SourceError, match=r"a\.jpg ended detect 3 times .*: it is set aside"):
        _frames(source)
    assert [frame.captured_at and frame.captured_at.hour for frame in _frames(source)] == [3]
    time.sleep(0.01)
    write_jpeg(folder / "a.jpg", ground(1))
    assert len(_frames(watch())) == 1


def test_a_file_in_whose_midst_detect_was_stopped_in_order_is_never_set_aside(
    folder: Path, watch: Watch
) -> None:
    write_jpeg(folder / "a.jpg", ground())
    for _ in range(5):
        source = watch()
        _begin(source)
        source.stopped_in_order()
        source.close()
    assert len(_frames(watch())) == 1


def test_a_half_written_file_is_waited_for(folder: Path, watch: Watch) -> None:
    whole = write_jpeg(folder / "a.jpg", ground(), "2026:05:01 05:30:00").read_bytes()
    (folder / "a.jpg").write_bytes(whole[:2000])
    (folder / "b.jpg").write_bytes(b"")
    (folder / "c.jpg.part").write_bytes(whole[:2000])
    source = watch(patience_s=60.0)
    assert _frames(source) == []
    (folder / "a.jpg").write_bytes(whole)
    assert len(_frames(source)) == 1


def test_a_file_that_stays_cut_short_is_named_once_and_the_rest_goes_on(
    folder: Path, watch: Watch
) -> None:
    whole = write_jpeg(folder / "b.jpg", ground()).read_bytes()
    (folder / "a.jpg").write_bytes(whole[:-50])
    source = watch()
    with pytest.raises(SourceError, match=r"a\.jpg is cut short"):
        _frames(source, quiet=1000)
    assert len(_frames(source)) <= 1
    assert _frames(watch()) == []


def test_what_is_no_image_is_named_once_and_passed_over(
    folder: Path, watch: Watch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("notes.txt", "Thumbs.db", *(f"{n}.log" for n in range(30))):
        (folder / name).write_text("no image")
    (folder / ".hidden.jpg").write_text("no image")
    (folder / "pipe.jpg").unlink(missing_ok=True)
    os.mkfifo(folder / "pipe.jpg")
    (folder / "link.jpg").symlink_to("/etc/passwd")
    text = _names(watch(), caplog)
    assert text.count("is no image or video: passed over") == 20
    assert "and 12 more files" in text
    caplog.clear()
    assert "passed over" not in _names(watch(), caplog)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"junk", "no image that can be decoded"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\1\0\0\0\1\0\0IEND", "more than 200 million pixels"),
    ],
    ids=["junk", "a bomb"],
)
def test_a_damaged_file_is_an_error_once_and_the_rest_goes_on(
    folder: Path, watch: Watch, data: bytes, words: str
) -> None:
    (folder / "a.png").write_bytes(data)
    write_jpeg(folder / "b.jpg", ground())
    source = watch()
    with pytest.raises(SourceError, match=words):
        _frames(source)
    assert len(_frames(source)) == 1
    assert _frames(watch()) == []


def test_a_file_larger_than_any_cameras_is_named(folder: Path, watch: Watch) -> None:
    with (folder / "a.jpg").open("wb") as file:
        file.truncate(100_000_001)
    with pytest.raises(SourceError, match="larger than 100 MB"):
        _frames(watch())


def test_videos_are_read_to_their_end_and_settle_for_longer(folder: Path, watch: Watch) -> None:
    write_jpeg(folder / "a.jpg", ground())
    write_video(folder / "b.mp4", [ground(n) for n in range(20)])
    write_jpeg(folder / "c.jpg", ground())
    frames = _frames(watch(), quiet=40)
    assert [frame.is_new_view for frame in frames] == [False, False, True, *[False] * 9]
    assert [frame.number for frame in frames] == list(range(12))
    times = [frame.at_s for frame in frames]
    assert times == sorted(times)
    assert _frames(watch()) == []


def test_a_video_that_cannot_be_read_is_an_error_once(folder: Path, watch: Watch) -> None:
    (folder / "a.avi").write_bytes(b"RIFF junk")
    source = watch()
    with pytest.raises(SourceError, match="no video that can be read"):
        _frames(source, quiet=1000)
    assert _frames(watch()) == []


def test_a_folder_that_is_gone_is_a_fault_that_ends(folder: Path, watch: Watch) -> None:
    source = watch()
    folder.rmdir()
    with pytest.raises(CameraFaultError, match="card cannot be read: is the card in") as caught:
        _frames(source)
    assert caught.value.code == "camera_stalled"
    write_jpeg(folder / "a.jpg", ground())
    time.sleep(0.03)
    assert len(_frames(source)) == 1


def test_a_damaged_memory_is_set_aside_and_all_is_read_again(
    tmp_path: Path, folder: Path, watch: Watch, caplog: pytest.LogCaptureFixture
) -> None:
    write_jpeg(folder / "a.jpg", ground())
    (tmp_path / "done.sqlite").write_bytes(b"no database at all, but long enough" * 100)
    assert len(_frames(watch())) == 1
    assert "was damaged" in caplog.text
    assert (tmp_path / "done.sqlite.damaged").exists()


def test_names_that_are_no_text_are_remembered_too(
    tmp_path: Path, folder: Path, watch: Watch
) -> None:
    odd = Path(os.fsdecode(os.fsencode(folder) + b"/\xff\xfe.jpg"))
    write_jpeg(folder / "a.jpg", ground()).rename(odd)
    assert len(_frames(watch())) == 1
    assert _frames(watch()) == []
    with closing(sqlite3.connect(tmp_path / "done.sqlite")) as connection:
        assert connection.execute("SELECT verdict FROM done").fetchall() == [("read",)]
