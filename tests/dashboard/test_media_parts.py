from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from edgeclip.contract.detection import Detection
from edgeclip.errors import StoreError
from edgeclip_dashboard import media_parts
from edgeclip_dashboard.messages import PartMessage
from support.dashboards import jpeg, media_ref, sample
from support.samples import EPOCH

if TYPE_CHECKING:
    from dashboard.conftest import Desk

OUTBOX = ("jetson-1", EPOCH)


def _parts(of: Detection, data: bytes, count: int) -> list[PartMessage]:
    size = -(-len(data) // count)
    return [
        PartMessage("jetson-1", of.detection_id, 0, n + 1, count, data[n * size : (n + 1) * size])
        for n in range(count)
    ]


def test_parts_in_any_order_and_twice_become_one_file(desk: Desk) -> None:
    data = jpeg()
    detection = sample(seq=1, media=[media_ref(data)])
    desk.commit(detection)
    first, second, third = _parts(detection, data, 3)
    assert desk.commit(third, third).media == []
    assert desk.commit(first).media == []
    committed = desk.commit(second)
    sha256 = desk.files.sha256(data)
    assert committed.media == [(OUTBOX, sha256)]
    path = desk.files.find(sha256)
    assert path is not None
    assert path.read_bytes() == data
    assert list((desk.files._folder / "parts").iterdir()) == []


def test_parts_of_another_cut_are_kept_apart(desk: Desk) -> None:
    data = jpeg()
    detection = sample(seq=1, media=[media_ref(data)])
    desk.commit(detection)
    desk.commit(_parts(detection, data, 2)[0])
    assert desk.commit(*_parts(detection, data, 3)).media == [(OUTBOX, desk.files.sha256(data))]


def test_parts_that_join_to_something_else_are_kept_raw(desk: Desk) -> None:
    detection = sample(seq=1, media=[media_ref(jpeg())])
    desk.commit(detection)
    committed = desk.commit(*_parts(detection, b"no picture at all", 2))
    assert (committed.media, committed.malformed) == ([], 1)


def test_parts_of_more_than_is_allowed_are_refused_at_the_first(desk: Desk) -> None:
    part = PartMessage("jetson-1", sample(seq=1).detection_id, 0, 1, 9999, b"x" * 10_000)
    assert desk.commit(part).malformed == 1
    assert not (desk.files._folder / "parts").exists()


def test_what_only_begins_is_bounded(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media_parts, "_MOST_BEGUN", 3)
    for n in range(5):
        desk.commit(PartMessage("jetson-1", sample(seq=1).detection_id, n, 1, 2, b"x"))
    assert len(list((desk.files._folder / "parts").iterdir())) == 3


def test_a_disk_that_cannot_be_written_acknowledges_nothing(desk: Desk) -> None:
    (desk.files._folder / "parts").write_text("in the way")
    with pytest.raises(StoreError, match="make room on the disk"):
        desk.commit(PartMessage("jetson-1", sample(seq=1).detection_id, 0, 1, 2, b"x"))
