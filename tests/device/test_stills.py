from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from edgeclip.errors import SourceError
from edgeclip_device.sources.stills import Pace, StillsSource
from support.clocks import NOON
from support.drawn_clips import RED, ground, write_image

PACE = Pace(NOON, 2.0)


def test_a_folder_is_read_in_the_order_of_names_at_its_pace(tmp_path: Path) -> None:
    for name in ("b.png", "a.PNG", "c.jpg"):
        write_image(tmp_path / name.lower(), ground())
    source = StillsSource(tmp_path, PACE)
    frames = [source.read() for _ in range(3)]
    assert [frame.at_s for frame in frames if frame] == [0.0, 2.0, 4.0]
    assert frames[2] is not None
    assert frames[2].captured_at == NOON + timedelta(seconds=4)
    assert source.read() is None


def test_colours_are_red_green_blue(tmp_path: Path) -> None:
    image = ground()
    image[:] = RED
    frame = StillsSource(write_image(tmp_path / "a.png", image), PACE).read()
    assert frame is not None
    assert tuple(frame.image[0, 0]) == RED


def test_junk_in_a_folder_is_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"")
    (tmp_path / "b.jpg").write_bytes(b"no image at all")
    (tmp_path / "c.jpg").mkdir()
    write_image(tmp_path / "d.jpg", ground())
    (tmp_path / "notes.txt").write_text("passed over")
    (tmp_path / ".hidden.jpg").write_text("passed over")
    source = StillsSource(tmp_path, PACE)
    for words in (r"a\.jpg: the file is empty", r"b\.jpg: .*no image", r"c\.jpg cannot be read"):
        with pytest.raises(SourceError, match=words):
            source.read()
    frame = source.read()
    assert frame is not None
    assert frame.number == 3
    assert source.read() is None


@pytest.mark.parametrize("name", ["none.jpg", "folder"])
def test_nothing_to_read_says_what_was_expected(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(SourceError, match=r"holds no image|cannot be read"):
        StillsSource(tmp_path / name, PACE)


def test_an_unknown_start_leaves_the_wall_time_open(tmp_path: Path) -> None:
    frame = StillsSource(write_image(tmp_path / "a.png", ground()), Pace(None, 1.0)).read()
    assert frame is not None
    assert frame.captured_at is None
