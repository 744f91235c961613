"""What is set aside for its damage never fills the disk, damage after damage."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from edgeclip_device.config import OutboxSettings
from edgeclip_device.damaged import caps_beside_damaged
from edgeclip_device.database import DATABASE_FILE
from edgeclip_device.outbox import Outbox
from support.clocks import StandingClock
from support.samples import detection


def _damaged_once_more(state: Path) -> None:
    path = state / DATABASE_FILE
    path.write_bytes(b"rubbish" + path.read_bytes()[7:])
    with closing(Outbox(state, OutboxSettings(), StandingClock())) as outbox:
        outbox.emit(detection())


def test_of_damaged_outboxes_the_newest_alone_is_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    Outbox(tmp_path, OutboxSettings(), StandingClock()).close()
    _damaged_once_more(tmp_path)
    (first,) = tmp_path.glob(f"{DATABASE_FILE}.damaged-*Z")
    (tmp_path / "media.damaged-20260101T000000Z").mkdir()
    _damaged_once_more(tmp_path)
    (second,) = tmp_path.glob(f"{DATABASE_FILE}.damaged-*Z")
    assert second != first
    assert list(tmp_path.glob("media.damaged-*")) == []
    assert f"{first} was set aside at an earlier damage and is removed" in caplog.text


@pytest.mark.parametrize(("damaged_mb", "left_mb"), [(0, 10), (3, 7), (9, 5)])
def test_what_is_damaged_counts_against_the_cap_up_to_half_of_it(
    tmp_path: Path, damaged_mb: int, left_mb: int
) -> None:
    folder = tmp_path / "media.damaged-20260101T000000Z"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(bytes(damaged_mb * 1_000_000))
    assert caps_beside_damaged(tmp_path, OutboxSettings(max_mb=10)).max_mb == left_mb
