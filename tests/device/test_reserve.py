"""Room for a disk that others have filled."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from edgeclip.contract.detection import new_id
from edgeclip.errors import OutboxError
from edgeclip_device.config import OutboxSettings
from edgeclip_device.outbox import Outbox
from edgeclip_device.reserve import RESERVE_BYTES, RESERVE_FILE
from support.clocks import StandingClock
from support.disks import fill, mounted
from support.samples import detection


def _emit(state: Path, number: int) -> int:
    with closing(Outbox(state, OutboxSettings(), StandingClock())) as outbox:
        return outbox.emit(detection(detection_id=new_id(number)))


def test_a_disk_that_others_filled_still_takes_detections_after_a_start(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "24m") as disk:
        assert _emit(disk, 1) == 1
        assert (disk / RESERVE_FILE).stat().st_blocks * 512 >= RESERVE_BYTES
        fill(disk / "other")
        assert [_emit(disk, n) for n in (2, 3)] == [2, 3]
        assert not (disk / RESERVE_FILE).exists()
        (disk / "other").unlink()
        assert _emit(disk, 4) == 4
        assert (disk / RESERVE_FILE).exists()  # for the next time


def test_without_the_reserve_it_takes_none(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "24m") as disk:
        assert _emit(disk, 1) == 1
        (disk / RESERVE_FILE).unlink()
        fill(disk / "other")
        with pytest.raises(OutboxError, match="cannot be"):
            _emit(disk, 2)


def test_of_a_small_disk_nothing_is_kept(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "8m") as disk:
        assert _emit(disk, 1) == 1
        assert not (disk / RESERVE_FILE).exists()
