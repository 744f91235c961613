from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from edgeclip.errors import DataError
from edgeclip.openings import (
    Opening,
    images_sha256,
    looks_before,
    looks_in,
    opening_note,
    read_openings,
    record_opening,
)
from support.judged import Row, judged

AT = datetime(2026, 5, 1, tzinfo=timezone.utc)


def _opening(
    sha256: str = "a", day: int = 0, by: str = "evaluate", each: str | None = None
) -> Opening:
    return Opening.model_validate(
        {
            "at": AT + timedelta(days=day),
            "by": by,
            "images": 3,
            "images_sha256": sha256,
            "each": each and tuple(each),
        }
    )


def test_openings_are_kept_in_the_pack_oldest_first(tmp_path: Path) -> None:
    assert read_openings(tmp_path) == []
    record_opening(tmp_path, _opening(day=0, by="train"))
    found = record_opening(tmp_path, _opening(day=1))
    assert [opening.by for opening in found] == ["train", "evaluate"]
    assert read_openings(tmp_path) == found


def test_a_look_at_the_same_images_is_counted_and_one_at_others_is_not() -> None:
    assert opening_note([_opening("a"), _opening("b", 1)]) is None
    note = opening_note([_opening("a", by="train"), _opening("b", 1), _opening("a", 2)])
    assert note is not None
    assert note.startswith("all 3 test images were opened before (2026-05-01 00:00 by train)")


def test_a_look_at_almost_the_same_images_is_no_first_look() -> None:
    looks = [_opening("a", by="train", each="pqr"), _opening("b", 1, each="pxy"), _opening("c", 2)]
    now = _opening("d", 3, each="pqs")
    note = opening_note([*looks, now])
    assert note is not None
    assert note.startswith(
        "2 of these 3 test images were opened before (2026-05-01 00:00 by train, 2026-05-02 00:00"
        " by evaluate), some of them 2 times"
    )
    assert looks_before([*looks, now]) == {"p": 2, "q": 1}
    assert opening_note([*looks, _opening("e", 4, each="uvw")]) is None


def test_a_record_without_the_single_images_is_read_and_known_by_the_hash_of_all(
    tmp_path: Path,
) -> None:
    images = judged([Row("blank")] * 3).images
    now = Opening.of(images, "evaluate", AT)
    older = {"at": "2026-04-01T00:00:00Z", "by": "train", "images": 3,
             "images_sha256": now.images_sha256}  # fmt: skip
    (tmp_path / "report").mkdir()
    (tmp_path / "report/openings.json").write_text(json.dumps([older]))
    openings = record_opening(tmp_path, now)
    assert openings == read_openings(tmp_path)
    assert set(looks_before(openings).values()) == {1}
    assert len(looks_before(openings)) == len(set(now.each or ()))


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"\xff", b'[{"at": "now"}]'])
def test_a_damaged_record_is_an_error_and_never_an_empty_one(
    tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "report").mkdir()
    (tmp_path / "report/openings.json").write_bytes(content)
    with pytest.raises(DataError, match="nobody knows how often the test images were looked at"):
        read_openings(tmp_path)


def test_where_nothing_can_be_written_nothing_is_looked_at(tmp_path: Path) -> None:
    (tmp_path / "report").write_text("a file in the way")
    with pytest.raises(DataError, match=r"openings\.json"):
        record_opening(tmp_path, _opening())


def test_the_order_of_the_images_does_not_matter() -> None:
    images = judged([Row("blank")] * 3).images
    assert images_sha256(images) == images_sha256(images[::-1])
    assert images_sha256(images) != images_sha256(images[:2])


def test_a_look_that_two_packs_record_is_one_look(tmp_path: Path) -> None:
    for folder, days in (("below", (0, 2)), ("above", (0, 1))):
        for day in days:
            record_opening(tmp_path / folder, _opening(day=day))
    looks = looks_in([tmp_path / "above", tmp_path / "below", tmp_path / "none"])
    assert looks == [_opening(day=day) for day in (0, 1, 2)]
