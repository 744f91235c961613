from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from edgeclip.errors import OutboxError
from edgeclip_device.config import OutboxSettings
from edgeclip_device.database import DATABASE_FILE
from edgeclip_device.outbox import Outbox
from edgeclip_device.outbox_status import read_status
from support.clocks import NOON, StandingClock
from support.samples import detection


def test_it_says_what_waits_and_since_when(tmp_path: Path) -> None:
    with closing(Outbox(tmp_path, OutboxSettings(), StandingClock())) as outbox:
        outbox.emit(detection())
        status = read_status(tmp_path)
    assert (status.rows, status.media, status.open_visits) == (1, 0, 1)
    assert status.oldest_at == NOON.isoformat()
    assert status.dropped == []


def test_an_empty_outbox_has_no_oldest_row(tmp_path: Path) -> None:
    Outbox(tmp_path, OutboxSettings(), StandingClock()).close()
    assert read_status(tmp_path).oldest_at is None


def test_a_folder_without_an_outbox_says_which_to_name(tmp_path: Path) -> None:
    with pytest.raises(OutboxError, match="holds no outbox: name the state folder"):
        read_status(tmp_path)
    assert not (tmp_path / DATABASE_FILE).exists()


def test_a_file_that_is_no_database_is_named_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / DATABASE_FILE).write_text("rubbish" * 100)
    with pytest.raises(OutboxError, match="cannot be read"):
        read_status(tmp_path)
    assert (tmp_path / DATABASE_FILE).read_text().startswith("rubbish")
