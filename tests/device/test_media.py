from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeclip.contract.hashing import sha256_bytes
from edgeclip.errors import DataError
from edgeclip_device.config import MediaSettings
from edgeclip_device.media import encode, store
from support.drawn_clips import ground

NOISE = np.random.default_rng(0).integers(0, 256, (720, 1280, 3), np.uint8).astype(np.uint8)


def test_a_snapshot_is_a_jpeg_named_by_its_hash() -> None:
    snapshot = encode(ground(), "full", MediaSettings())
    assert snapshot.data[:3] == b"\xff\xd8\xff"
    assert snapshot.sha256 == sha256_bytes(snapshot.data)
    assert (snapshot.width, snapshot.height) == (320, 240)


def test_colours_stay_in_their_order() -> None:
    red = np.full((64, 64, 3), (200, 40, 40), np.uint8)
    snapshot = encode(red, "full", MediaSettings())
    decoded = cv2.imdecode(np.frombuffer(snapshot.data, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    assert decoded[32, 32, 2] > 180 > 60 > decoded[32, 32, 0]


def test_a_snapshot_carries_no_exif() -> None:
    assert b"Exif" not in encode(ground(), "full", MediaSettings()).data


@pytest.mark.parametrize("max_bytes", [4_000, 20_000, 64_000])
def test_even_noise_fits_into_the_largest_size(max_bytes: int) -> None:
    snapshot = encode(NOISE, "full", MediaSettings(max_bytes=max_bytes))
    assert len(snapshot.data) <= max_bytes
    assert snapshot.ref(0).size_bytes == len(snapshot.data)


def test_a_large_frame_is_shrunk_to_the_longest_side() -> None:
    wide = np.zeros((1000, 3000, 3), np.uint8)
    snapshot = encode(wide, "full", MediaSettings(max_side_px=600))
    assert (snapshot.width, snapshot.height) == (600, 200)


def test_an_empty_crop_is_refused() -> None:
    with pytest.raises(DataError, match="empty image"):
        encode(np.zeros((0, 10, 3), np.uint8), "crop", MediaSettings())


def test_a_snapshot_is_stored_once_under_its_hash(tmp_path: Path) -> None:
    snapshot = encode(ground(), "full", MediaSettings())
    path = store(tmp_path / "media", snapshot)
    before = path.stat().st_ino
    assert store(tmp_path / "media", snapshot) == path
    assert path.read_bytes() == snapshot.data
    assert path.stat().st_ino == before
