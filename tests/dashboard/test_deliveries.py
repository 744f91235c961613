"""Packs that are uploaded: looked into before anything is sent."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from edgeclip.contract.hashing import sha256_file
from edgeclip.errors import DashboardError
from edgeclip_dashboard.field.deliveries import PackShelf, look_into
from support.deliveries import Team

Entries = dict[str, bytes]


@pytest.fixture(scope="module")
def delivered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Team(tmp_path_factory.mktemp("work") / "team").delivery("1.1.0")


@pytest.fixture
def shelf(tmp_path: Path) -> PackShelf:
    return PackShelf(tmp_path / "packs", 10_000_000)


def _upload(shelf: PackShelf, source: Path) -> Path:
    place = shelf.place_for_upload()
    shutil.copyfile(source, place)
    return place


def _changed(source: Path, target: Path, change: Callable[[Entries], None]) -> Path:
    """Write a delivery anew with its entries changed."""
    with zipfile.ZipFile(source) as file:
        entries = {name: file.read(name) for name in file.namelist()}
    change(entries)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in entries.items():
            file.writestr(name, data)
    return target


def test_a_delivery_is_kept_by_its_hash(shelf: PackShelf, delivered: Path) -> None:
    delivery = shelf.take_in(_upload(shelf, delivered))
    assert delivery.packs == ("leopard@1.1.0",)
    assert delivery.sha256 == sha256_file(delivered)
    assert delivery.size_bytes == delivered.stat().st_size
    assert len(delivery.key_id) == 16
    kept = shelf.path_of(delivery.sha256)
    assert kept.read_bytes() == delivered.read_bytes()
    assert list(kept.parent.iterdir()) == [kept]


def _damage(entries: Entries) -> None:
    name = next(name for name in entries if name.endswith("pack.json"))
    entries[name] = entries[name].replace(b"leopard", b"leoparb")


def _lengthen(entries: Entries) -> None:
    name = next(name for name in entries if name.endswith("pack.json"))
    entries[name] += b" "


def _rewrite(entries: Entries) -> None:
    manifest = json.loads(entries["manifest.json"])
    manifest["tool"]["edgeclip"] = "9"
    entries["manifest.json"] = json.dumps(manifest).encode()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param(lambda e: e.pop("manifest.json"), "is no delivery", id="no manifest"),
        pytest.param(lambda e: e.pop("manifest.sig"), "is no delivery", id="not signed"),
        pytest.param(
            lambda e: e.update({"manifest.sig": b"{}"}), "is no signature", id="no signature"
        ),
        pytest.param(lambda e: e.update({"manifest.json": b"{}"}), "no pack of this", id="empty"),
        pytest.param(lambda e: e.update({"../x": b""}), "does not name", id="a file beside"),
        pytest.param(_damage, "is damaged", id="a file that was changed"),
        pytest.param(_lengthen, "is damaged", id="a file that is longer"),
        pytest.param(_rewrite, "of another bundle", id="a manifest that was changed"),
    ],
)
def test_what_is_no_whole_delivery_is_refused_and_removed(
    shelf: PackShelf, delivered: Path, tmp_path: Path, change: Callable[[Entries], None], said: str
) -> None:
    changed = _changed(delivered, tmp_path / "x.zip", change)
    place = _upload(shelf, changed)
    with pytest.raises(DashboardError, match=said):
        shelf.take_in(place)
    assert list(place.parent.iterdir()) == []


def test_what_is_no_zip_says_how_to_make_one(tmp_path: Path) -> None:
    file = tmp_path / "x.zip"
    file.write_bytes(b"pack")
    with pytest.raises(DashboardError, match="pack wrap"):
        look_into(file)


def test_a_delivery_that_is_too_large_is_refused(tmp_path: Path, delivered: Path) -> None:
    small = PackShelf(tmp_path / "packs", 100)
    with pytest.raises(DashboardError, match="larger than 100 bytes"):
        small.take_in(_upload(small, delivered))


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "packs").write_text("a file")
    with pytest.raises(DashboardError, match="packs"):
        PackShelf(tmp_path / "packs", 100).place_for_upload()
