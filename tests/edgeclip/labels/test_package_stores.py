from __future__ import annotations

import stat
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from edgeclip.errors import DataError
from edgeclip.labels.dataset import read_dataset
from edgeclip.labels.package_stores import ZipStore, is_inside
from edgeclip.labels.reading import ReadingOptions
from support.drawn_images import draw, save

TABLES = {
    "deployments.csv": "deploymentID,locationID\nd1,ridge\n",
    "media.csv": (
        "mediaID,deploymentID,timestamp,filePath,fileMediatype\n"
        "m1,d1,2020-05-30T04:57:37Z,media/a.jpg,image/jpeg\n"
        "m2,d1,2020-05-30T05:57:37Z,beside.jpg,image/jpeg\n"
    ),
    "observations.csv": (
        "observationID,deploymentID,mediaID,observationLevel,observationType,scientificName\n"
        "o1,d1,m1,media,animal,Panthera pardus\no2,d1,m2,media,blank,\n"
    ),
    "datapackage.json": '{"resources": []}',
}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def _zip(path: Path, members: Mapping[str, bytes | str], *, below: str = "") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(below + name, content)
    return path


def _image(folder: Path, seed: int) -> bytes:
    return save(folder / f"{seed}.png", draw("leopard", seed)).read_bytes()


@pytest.mark.parametrize("below", ["", "my package/"], ids=["flat", "in a folder"])
def test_images_inside_a_zip_and_beside_it_are_found(
    tmp_path: Path, cache: Path, below: str
) -> None:
    members = TABLES | {"media/a.jpg": _image(tmp_path, 1), "notes/secret.jpg": b"not asked for"}
    path = _zip(tmp_path / "dp.zip", members, below=below)
    (tmp_path / "beside.jpg").write_bytes(_image(tmp_path, 2))
    images = read_dataset(ReadingOptions(data=path)).images
    assert [(image.class_name, image.location) for image in images] == [
        ("Panthera pardus", "ridge"), ("blank", "ridge"),
    ]  # fmt: skip
    assert images[0].path.read_bytes() == members["media/a.jpg"]
    unpacked = [file.name for file in cache.rglob("*") if file.is_file()]
    assert unpacked == ["a.jpg"]


def test_what_is_unpacked_once_is_not_unpacked_again(tmp_path: Path, cache: Path) -> None:
    path = _zip(tmp_path / "dp.zip", TABLES | {"media/a.jpg": _image(tmp_path, 1)})
    first, _ = ZipStore(path, None, cache).find("media/a.jpg")
    assert first is not None
    stamp = first.stat().st_mtime_ns
    second, _ = ZipStore(path, None, cache).find("media/a.jpg")
    assert (second, first.stat().st_mtime_ns) == (first, stamp)


@pytest.mark.parametrize(
    "name",
    ["../evil.csv", "a/../../evil.csv", "/etc/evil.csv", "C:\\evil.csv", "..\\evil.csv"],
)
def test_a_zip_whose_members_would_leave_their_folder_is_not_opened(
    tmp_path: Path, name: str
) -> None:
    path = _zip(tmp_path / "dp.zip", TABLES | {name: b"x"})
    with pytest.raises(DataError, match="would leave its folder: not opened"):
        read_dataset(ReadingOptions(data=path))
    assert list(tmp_path.rglob("evil*")) == []


def test_a_zip_bomb_is_not_opened(tmp_path: Path) -> None:
    path = _zip(tmp_path / "dp.zip", TABLES | {"bomb.jpg": b"\0" * 30_000_000})
    with pytest.raises(DataError, match=r"'bomb.jpg' unpacks to far too much: not opened"):
        read_dataset(ReadingOptions(data=path))


def test_a_zip_with_a_link_is_not_opened(tmp_path: Path) -> None:
    path = _zip(tmp_path / "dp.zip", TABLES)
    link = zipfile.ZipInfo("media/a.jpg")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(DataError, match=r"'media/a.jpg' is a link: not opened"):
        read_dataset(ReadingOptions(data=path))


def test_a_member_that_is_damaged_is_named(tmp_path: Path, cache: Path) -> None:
    noise = bytes(draw("leopard", 3).tobytes())
    path = _zip(tmp_path / "dp.zip", TABLES | {"media/a.jpg": noise})
    data = bytearray(path.read_bytes())
    data[data.index(b"media/a.jpg") + 200] ^= 0xFF
    path.write_bytes(data)
    found, why = ZipStore(path, None, cache).find("media/a.jpg")
    assert found is None
    assert "media/a.jpg is damaged" in why


@pytest.mark.parametrize("content", [b"PK", b"PK\3\4 and no more"], ids=["two bytes", "cut"])
def test_a_zip_that_is_cut_short_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "dp.zip"
    path.write_bytes(content)
    with pytest.raises(DataError, match="no readable zip"):
        read_dataset(ReadingOptions(data=path))


def test_an_encrypted_zip_is_refused(tmp_path: Path) -> None:
    path = _zip(tmp_path / "dp.zip", TABLES)
    data = path.read_bytes()
    for signature, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):  # the flag "encrypted"
        at = 0
        parts = bytearray(data)
        while (at := data.find(signature, at)) >= 0:
            parts[at + offset] |= 1
            at += 4
        data = bytes(parts)
    path.write_bytes(data)
    with pytest.raises(DataError, match="is damaged"):
        read_dataset(ReadingOptions(data=path))


@pytest.mark.parametrize(
    ("name", "inside"),
    [("a.csv", True), ("a/b.csv", True), ("", False), ("..", False), ("a\0b", False)],
)
def test_a_name_stays_inside_or_not(name: str, inside: bool) -> None:
    assert is_inside(name) is inside
