from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from edgeclip.errors import StoreError
from edgeclip_dashboard.media_files import MediaFiles
from support.dashboards import jpeg


@pytest.fixture
def files(tmp_path: Path) -> MediaFiles:
    return MediaFiles(tmp_path / "media", most_bytes=100_000)


def test_a_file_is_found_by_its_hash(files: MediaFiles) -> None:
    data = jpeg()
    sha256 = files.sha256(data)
    files.write(data, sha256)
    path = files.find(sha256)
    assert path is not None
    assert path.read_bytes() == data
    assert sha256 == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize(
    "name", ["", "..", "../../etc/passwd", "a" * 63, "A" * 64, "a" * 65, "a" * 63 + "\n", "a" * 64]
)
def test_what_is_no_hash_or_not_there_is_not_found(files: MediaFiles, name: str) -> None:
    assert files.find(name) is None


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "not a whole JPEG"),
        (b"GIF89a" + b"x" * 100, "not a whole JPEG"),
        (b"\x89PNG\r\n\x1a\n", "not a whole JPEG"),
        (b"<svg onload=alert(1)>", "not a whole JPEG"),
        (jpeg()[:-200], "not a whole JPEG"),
        (b"\xff\xd8\xff" + b"x" * 100_000, "bytes, allowed are 100000"),
    ],
)
def test_what_is_no_jpeg_or_too_large_is_refused(
    files: MediaFiles, data: bytes, problem: str
) -> None:
    assert problem in (files.problem(data) or "")


def test_a_jpeg_is_taken(files: MediaFiles) -> None:
    assert files.problem(jpeg()) is None


def test_a_folder_that_cannot_be_written_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="choose another --media"):
        MediaFiles(tmp_path / "file/media", most_bytes=1000)
