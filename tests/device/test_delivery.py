from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import pytest

from edgeclip.contract.bundle import MANIFEST_FILE, SIGNATURE_FILE, read_bundle
from edgeclip.contract.signing import read_public_keys, verified
from edgeclip.errors import BundleDamagedError, SignatureError
from edgeclip_device.rollout.delivery import unwrap, wrap
from support.altered_bundles import PACK
from support.deliveries import Team
from support.tiny_bundle import GRAPH_FILE


@pytest.fixture
def team(tmp_path: Path) -> Team:
    return Team(tmp_path / "team")


@pytest.fixture
def base(team: Team) -> Path:
    """The bundle that a device has, with an engine."""
    folder = team.bundle("1.0.0")
    (folder / "engines").mkdir()
    (folder / "engines/one.engine").write_bytes(b"engine")
    return folder


def _unwrap(team: Team, delivery: Path, base: Path, target: Path) -> Path:
    keys = read_public_keys([team.public])
    unwrap(delivery, target, base, lambda sig, data: verified(sig, data, "bundle", keys))
    return target


def _altered(delivery: Path, **changes: bytes | None) -> Path:
    """Return a copy whose entries (`_` for `/`... by their ends) are changed or left out."""
    target = delivery.with_name("altered.zip")
    with zipfile.ZipFile(delivery) as source, zipfile.ZipFile(target, "w") as file:
        for name in source.namelist():
            key = name.rpartition("/")[2].replace(".", "_")
            data = changes.get(key, source.read(name))
            if data is not None:
                file.writestr(name, data)
    return target


def test_a_delivery_is_the_pack_and_the_rest_is_what_the_device_has(
    team: Team, base: Path, tmp_path: Path
) -> None:
    delivery = team.delivery("1.1.0")
    with zipfile.ZipFile(delivery) as file:
        assert GRAPH_FILE not in file.namelist()
        assert {MANIFEST_FILE, SIGNATURE_FILE, f"{PACK}/pack.json"} <= set(file.namelist())
    folder = _unwrap(team, delivery, base, tmp_path / "new")
    assert read_bundle(folder).packs[0].version == "1.1.0"
    assert (folder / GRAPH_FILE).samefile(base / GRAPH_FILE), "linked, not copied"
    assert (folder / "engines/one.engine").read_bytes() == b"engine"


def test_a_device_with_another_encoder_needs_the_whole(
    team: Team, base: Path, tmp_path: Path
) -> None:
    (base / GRAPH_FILE).write_bytes(b"another")
    with pytest.raises(BundleDamagedError, match="wrap it with --whole"):
        _unwrap(team, team.delivery("1.1.0"), base, tmp_path / "new")
    whole = tmp_path / "whole.zip"
    wrap(team.bundle("1.2.0"), whole, whole=True)
    assert read_bundle(_unwrap(team, whole, tmp_path / "nothing", tmp_path / "new"))


def test_an_unsigned_bundle_is_not_wrapped(team: Team, tmp_path: Path) -> None:
    folder = team.bundle("1.1.0")
    (folder / SIGNATURE_FILE).unlink()
    with pytest.raises(SignatureError, match="sign it with `edgeclip-export sign`"):
        wrap(folder, tmp_path / "x.zip")


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"pack_json": b"{}"}, BundleDamagedError, "pack.json of the delivery is damaged"),
        ({"pack_json": b"x" * 10**6}, BundleDamagedError, "pack.json of the delivery is damaged"),
        ({"manifest_sig": None}, BundleDamagedError, "is no delivery"),
        ({"manifest_json": None}, BundleDamagedError, "is no delivery"),
        ({"manifest_json": b"{}"}, SignatureError, "is the signature of something else"),
        ({"manifest_sig": b"{}"}, SignatureError, "manifest.sig"),
    ],
    ids=["altered", "swollen", "unsigned", "no manifest", "another manifest", "no signature"],
)
def test_an_altered_delivery_leaves_nothing_behind(
    team: Team, base: Path, tmp_path: Path, changes: dict[str, bytes | None],
    error: type[Exception], message: str,
) -> None:  # fmt: skip
    altered = _altered(team.delivery("1.1.0"), **changes)
    with pytest.raises(error, match=message):
        _unwrap(team, altered, base, tmp_path / "shelf/new")
    assert list((tmp_path / "shelf").iterdir()) == []


def test_a_delivery_whose_bytes_cannot_be_unpacked_is_none(
    team: Team, base: Path, tmp_path: Path
) -> None:
    delivery = team.delivery("1.1.0")
    data = bytearray(delivery.read_bytes())
    with zipfile.ZipFile(delivery) as file:
        entry = file.getinfo(MANIFEST_FILE)
    begins = entry.header_offset + 30 + len(entry.filename)
    data[begins : begins + 8] = b"\xff" * 8
    delivery.write_bytes(data)
    with pytest.raises(BundleDamagedError, match="is no delivery"):
        _unwrap(team, delivery, base, tmp_path / "new")


def test_names_beside_the_manifest_are_never_unpacked(
    team: Team, base: Path, tmp_path: Path
) -> None:
    delivery = team.delivery("1.1.0")
    with zipfile.ZipFile(delivery, "a") as file:
        file.writestr("../../escaped", b"out")
        file.writestr("extra.txt", b"more")
    folder = _unwrap(team, delivery, base, tmp_path / "shelf/new")
    assert not (tmp_path / "escaped").exists()
    assert not (folder / "extra.txt").exists()


def test_what_cannot_be_linked_is_copied(
    team: Team, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("another file system")

    monkeypatch.setattr("os.link", refuse)
    folder = _unwrap(team, team.delivery("1.1.0"), base, tmp_path / "new")
    shutil.rmtree(base)
    assert read_bundle(folder)
