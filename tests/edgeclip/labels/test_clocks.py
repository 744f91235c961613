from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from edgeclip.errors import ConfigError
from edgeclip.labels.clocks import Frame, clock_doubts, time_taken
from edgeclip.labels.dataset import read_dataset
from edgeclip.labels.reading import ReadingOptions, parse_time_offsets, zone_named
from edgeclip.labels.sample import Sample
from edgeclip.labels.scan import ImageFacts
from edgeclip.summary import summarise
from support.drawn_images import draw, save, write_table

OPTIONS = ReadingOptions(data=Path("x"))
COLOUR, INFRARED = 80.0, 3.0


def _frame(at: str | None, *, light: float = COLOUR, place: str = "ridge", **fields: Any) -> Frame:
    """A frame whose labels give a time such as `2024-05-12 12:00`."""
    own = {
        key: fields.pop(key) for key in ("taken_at", "taken_from", "dead_clock") if key in fields
    }
    when = datetime.fromisoformat(f"{at}:00+00:00") if at else None
    sample = Sample(Path("a.jpg"), "leopard", place, when, None, None, "row 2", **fields)
    facts = replace(ImageFacts("a" * 64, 8, 8, light, None), **own)
    return Frame(sample, facts, time_taken(sample, facts, OPTIONS))


def _doubts(*frames: Frame, options: ReadingOptions = OPTIONS) -> list[tuple[str, str]]:
    return [(doubt.where, doubt.what) for doubt in clock_doubts(frames, options)]


def test_a_good_clock_raises_no_doubt() -> None:
    frames = [_frame(f"2024-05-{day:02} 12:00") for day in range(1, 9)]
    frames += [_frame(f"2024-05-{day:02} 23:30", light=INFRARED) for day in range(1, 9)]
    assert _doubts(*frames) == []


def test_a_clock_twelve_hours_off_is_seen_by_the_light() -> None:
    frames = [_frame(f"2024-05-0{day} 00:10") for day in range(1, 4)]
    frames += [_frame(f"2024-05-0{day} 12:30", light=INFRARED) for day in range(1, 4)]
    frames += [_frame("2024-05-01 12:00", place="stream")]
    ((place, what),) = _doubts(*frames)
    assert place == "ridge"
    assert what.startswith("6 of 6 frames around noon or midnight have the other's light: 12 h off")


def test_the_zone_decides_where_noon_is() -> None:
    frames = [_frame(f"2024-05-0{day} 22:10") for day in range(1, 5)]  # 12:10 in Honolulu
    assert len(_doubts(*frames)) == 1
    assert _doubts(*frames, options=ReadingOptions(data=Path("x"), tz="Pacific/Honolulu")) == []


def test_two_frames_at_midnight_tell_nothing() -> None:
    assert _doubts(_frame("2024-05-01 00:10"), _frame("2024-05-02 00:10")) == []


@pytest.mark.parametrize("year", [2000, 2012])
def test_first_january_of_an_old_year_is_a_reset_clock(year: int) -> None:
    frames = [_frame(f"2024-05-0{day} 08:00") for day in range(1, 6)]
    ((_, what),) = _doubts(_frame(f"{year}-01-01 07:00"), *frames)
    assert what == f"1 of 6 times are 1 January {year}: the clock was reset"


def test_a_new_year_among_its_days_is_no_reset() -> None:
    frames = [_frame(f"2012-01-0{day} 08:00") for day in range(1, 6)]
    assert _doubts(*frames) == []


def test_a_year_before_cameras_is_named_by_the_file() -> None:
    frame = _frame(None, dead_clock="1970:01:01 00:00:12")
    assert _doubts(frame) == [
        ("row 2", "the camera's clock says 1970:01:01 00:00:12: taken as without a time")
    ]


def test_labels_that_differ_from_exif_are_named_with_their_difference() -> None:
    def frame(day: int) -> Frame:
        exif = datetime(2024, 5, day, 6, 0, tzinfo=timezone.utc)
        return _frame(f"2024-05-0{day} 08:00", taken_at=exif, taken_from="EXIF")

    ((_, what),) = _doubts(frame(1), frame(2), frame(3))
    assert what == "in 3 of 3 files the labels' time is 2:00:00 later than EXIF's"


def test_a_burst_that_runs_backwards_is_named() -> None:
    frames = [
        Frame(
            Sample(Path(f"{n}.jpg"), "x", "ridge", at, "s1", None, "r", frame_num=n),
            ImageFacts("a", 8, 8, COLOUR, None),
            time_taken(Sample(Path("a"), "x", "ridge", at, "s1", None, "r"),
                       ImageFacts("a", 8, 8, COLOUR, None), OPTIONS),
        )
        for n, at in enumerate(
            datetime(2024, 5, 1, 8, tzinfo=timezone.utc) - timedelta(seconds=second)
            for second in (0, 5)
        )
    ]  # fmt: skip
    assert _doubts(*frames) == [
        ("ridge", "1 sequences run backwards in time by their frames' numbers")
    ]


def test_what_the_source_says_of_its_clock_is_passed_on() -> None:
    assert _doubts(_frame("2024-05-01 08:00", clock_doubted=True)) == [
        ("ridge", "1 frames are of a deployment with timestampIssues")
    ]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("-12h", -43200), ("+1h30m", 5400), ("2d", 172800), ("90s", 90), ("-1d2h3m4s", -93784)],
)
def test_an_offset_is_a_duration(text: str, seconds: float) -> None:
    assert parse_time_offsets([text]) == {"*": seconds}


def test_an_offset_of_one_location_stands_before_that_of_all() -> None:
    offsets = parse_time_offsets(["+1h", "ridge = -12h"])
    options = ReadingOptions(data=Path("x"), time_offset=offsets)
    assert options.shift_of("ridge") == timedelta(hours=-12)
    assert options.shift_of("stream") == options.shift_of(None) == timedelta(hours=1)


@pytest.mark.parametrize("text", ["", "12", "h", "=-12h", "noon", "ridge=", "+1h30"])
def test_an_offset_that_is_none_says_how_to_write_one(text: str) -> None:
    with pytest.raises(ConfigError, match="write -12h"):
        parse_time_offsets([text])


@pytest.mark.parametrize(
    ("text", "hours"), [("UTC", 0), ("+03:00", 3), ("-0530", -5.5), ("UTC+2", 2), ("Asia/Tokyo", 9)]
)
def test_a_zone_is_a_name_or_an_offset(text: str, hours: float) -> None:
    at = datetime(2024, 5, 1, tzinfo=zone_named(text))
    assert at.utcoffset() == timedelta(hours=hours)


@pytest.mark.parametrize("text", ["Mars/Base", "", "../../etc/passwd", "+99:00", "/etc/localtime"])
def test_a_zone_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="is no zone: write Africa/Nairobi"):
        ReadingOptions(data=Path("x"), tz=text)


def test_the_files_own_time_is_used_only_when_asked_for_and_is_flagged(tmp_path: Path) -> None:
    save(tmp_path / "leopard/a.jpg", draw("leopard", 0))
    (image,) = read_dataset(ReadingOptions(data=tmp_path)).images
    assert (image.captured_at, image.time_origin) == (None, None)
    asked = read_dataset(ReadingOptions(data=tmp_path, mtime=True))
    assert asked.images[0].time_origin == "file's own time"
    warnings = summarise(asked, [], seed=1).warnings
    assert any("1 times are the files' own: a copy has that of the copying" in w for w in warnings)


def test_zone_and_offset_move_the_times_of_the_images(tmp_path: Path) -> None:
    save(tmp_path / "a.jpg", draw("leopard", 0))
    rows: list[tuple[object, ...]] = [
        ("path", "label", "location", "datetime"),
        ("a.jpg", "leopard", "ridge", "2024-05-12 21:00:00"),
    ]
    table = write_table(tmp_path / "labels.csv", rows)
    options = ReadingOptions(data=table, tz="Africa/Nairobi", time_offset={"ridge": -3600.0})
    assert str(read_dataset(options).images[0].captured_at) == "2024-05-12 17:00:00+00:00"
