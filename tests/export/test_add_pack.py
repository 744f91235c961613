from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from edgeclip.clip import Backbone
from edgeclip.contract.bundle import MANIFEST_FILE, SIGNATURE_FILE, find_pack, read_bundle
from edgeclip.contract.hashing import sha256_file
from edgeclip.contract.locks import drop_lock, take_lock
from edgeclip.contract.signing import make_key
from edgeclip.errors import (
    BundleDamagedError,
    BundleMismatchError,
    BundleMissingError,
    ConfigError,
    PackError,
    ParityError,
    SetupError,
)
from edgeclip_export.add_pack import add_pack
from edgeclip_export.checks import Check
from edgeclip_export.sign import sign_bundle
from edgeclip_export.verify import verify_bundle
from support.tiny_packs import random_tensors, write_encoder, write_tiny_pack

ADAPTER = ("va_down", "va_up", "va_ratio", "class_bias")


def _ignore(check: Check) -> None:
    assert check.name


def _hashes(bundle: Path) -> dict[str, str]:
    return {
        path.relative_to(bundle).as_posix(): sha256_file(path)
        for path in sorted(bundle.rglob("*"))
        if path.is_file()
    }


def _pack(folder: Path, backbone: Backbone, *, seed: int = 2, **facts: str) -> Path:
    """A pack of another size than the bundle's own."""
    write_tiny_pack(folder, backbone, random_tensors(seed, columns=3, names=ADAPTER, hidden=9))
    path = folder / "pack.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | facts))
    return folder


@pytest.fixture
def ocelot(tmp_path: Path, backbone: Backbone) -> Path:
    return _pack(tmp_path / "ocelot", backbone, task="ocelot")


def test_a_pack_comes_in_and_nothing_else_changes(bundle: Path, ocelot: Path) -> None:
    before = _hashes(bundle)
    added = add_pack(bundle, ocelot, _ignore)
    after = _hashes(bundle)
    new = {name for name in after if name.startswith("packs/ocelot/1.0.0/")}
    assert {name: after[name] for name in before if name != MANIFEST_FILE} == {
        name: own for name, own in before.items() if name != MANIFEST_FILE
    }
    assert set(after) - set(before) == new
    assert added.size_bytes == sum((bundle / name).stat().st_size for name in new)
    assert (added.replaces, added.was_signed) == (None, False)
    assert all(check.passed for check in added.checks)
    checks = verify_bundle(bundle, _ignore)
    assert {check.name.split(",")[0] for check in checks} >= {"leopard 1.0.0", "ocelot 1.0.0"}


def test_a_newer_version_serves_and_the_older_one_stays(
    bundle: Path, tmp_path: Path, backbone: Backbone, ocelot: Path
) -> None:
    add_pack(bundle, ocelot, _ignore)
    made = read_bundle(bundle).created_at
    added = add_pack(bundle, _pack(tmp_path / "b", backbone, version="1.10.0"), _ignore)
    manifest = read_bundle(bundle)
    assert added.replaces == "1.0.0"
    assert [(p.task, p.version) for p in manifest.packs] == [
        ("leopard", "1.10.0"), ("leopard", "1.0.0"), ("ocelot", "1.0.0"),
    ]  # fmt: skip
    assert find_pack(manifest, "leopard").version == find_pack(manifest, None).version == "1.10.0"
    assert manifest.created_at > made
    verify_bundle(bundle, _ignore)


@pytest.mark.parametrize("version", ["1.0.0", "0.9.9"])
def test_a_version_that_is_not_higher_is_refused(
    bundle: Path, tmp_path: Path, backbone: Backbone, version: str
) -> None:
    before = _hashes(bundle)
    with pytest.raises(ConfigError, match=rf"has leopard 1\.0\.0, this pack is {version}"):
        add_pack(bundle, _pack(tmp_path / "b", backbone, version=version), _ignore)
    assert _hashes(bundle) == before


def test_a_pack_of_another_encoder_is_refused(bundle: Path, tmp_path: Path) -> None:
    other = write_encoder(tmp_path / "encoder", seed=5).load()
    before = _hashes(bundle)
    with pytest.raises(BundleMismatchError, match="export a bundle of its own"):
        add_pack(bundle, _pack(tmp_path / "b", other, task="ocelot"), _ignore)
    assert _hashes(bundle) == before


def test_a_deep_pack_needs_a_deep_graph(bundle: Path, tmp_path: Path, backbone: Backbone) -> None:
    names = ("ba_down", "ba_down_bias", "ba_up", "ba_up_bias")
    folder = tmp_path / "deep"
    write_tiny_pack(folder, backbone, random_tensors(3, columns=3, names=names))
    path = folder / "pack.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"task": "ocelot"}))
    with pytest.raises(BundleMismatchError, match="has no slots there"):
        add_pack(bundle, folder, _ignore)


def test_a_pack_beyond_the_profiles_is_refused(
    bundle: Path, tmp_path: Path, backbone: Backbone
) -> None:
    folder = tmp_path / "wide"
    write_tiny_pack(folder, backbone, random_tensors(3, columns=3, names=ADAPTER, hidden=300))
    path = folder / "pack.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"task": "ocelot"}))
    with pytest.raises(PackError, match="300"):
        add_pack(bundle, folder, _ignore)


def test_outputs_that_the_graph_does_not_give_leave_the_bundle_as_it_was(
    bundle: Path, ocelot: Path
) -> None:
    with np.load(ocelot / "golden.npz") as archive:
        arrays = dict(archive)
    arrays["logits"][0] += np.float32(0.5)
    np.savez(ocelot / "golden.npz", **arrays)
    path = ocelot / "pack.json"
    content = json.loads(path.read_text())
    content["files"]["golden.npz"] = sha256_file(ocelot / "golden.npz")
    path.write_text(json.dumps(content))
    before = _hashes(bundle)
    with pytest.raises(ParityError, match="the bundle is as it was"):
        add_pack(bundle, ocelot, _ignore)
    assert _hashes(bundle) == before


def test_a_damaged_pack_or_bundle_is_refused(bundle: Path, ocelot: Path) -> None:
    tensors = ocelot / "adapter.safetensors"
    whole = tensors.read_bytes()
    tensors.write_bytes(whole[:-1])
    with pytest.raises(PackError, match=r"adapter\.safetensors"):
        add_pack(bundle, ocelot, _ignore)
    tensors.write_bytes(whole)
    (bundle / "packs/leopard/1.0.0/golden.npz").unlink()
    with pytest.raises(BundleDamagedError, match="is missing"):
        add_pack(bundle, ocelot, _ignore)


def test_the_old_signature_is_removed_and_said(bundle: Path, ocelot: Path, tmp_path: Path) -> None:
    make_key(tmp_path / "team")
    sign_bundle(bundle, tmp_path / "team")
    assert add_pack(bundle, ocelot, _ignore).was_signed
    assert not (bundle / SIGNATURE_FILE).exists()


def test_a_manifest_without_room_leaves_the_signature(
    bundle: Path, ocelot: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_key(tmp_path / "team")
    sign_bundle(bundle, tmp_path / "team")
    before = _hashes(bundle)
    real = tempfile.mkstemp

    def full(*, dir: Path, prefix: str) -> tuple[int, str]:  # noqa: A002 - of the library
        if prefix == f".{MANIFEST_FILE}.":
            raise OSError(28, "No space left on device")
        return real(dir=dir, prefix=prefix)

    monkeypatch.setattr(tempfile, "mkstemp", full)
    with pytest.raises(SetupError, match="No space left on device"):
        add_pack(bundle, ocelot, _ignore)
    after = _hashes(bundle)
    assert {name: after[name] for name in before} == before
    verify_bundle(bundle, _ignore, [tmp_path / "team.pub"])


def test_two_packs_at_once_are_refused_and_the_lock_is_given_back(
    bundle: Path, ocelot: Path
) -> None:
    lock = bundle / ".add-pack.lock"
    descriptor = take_lock(lock)
    with pytest.raises(SetupError, match=f"process {os.getpid()} adds a pack to"):
        add_pack(bundle, ocelot, _ignore)
    drop_lock(lock, descriptor)
    add_pack(bundle, ocelot, _ignore)
    assert not lock.exists()


def test_a_folder_that_is_no_bundle_gets_nothing(tmp_path: Path, ocelot: Path) -> None:
    with pytest.raises(BundleMissingError):
        add_pack(tmp_path / "none", ocelot, _ignore)
    assert not (tmp_path / "none").exists()


_WITH_SMALL_FILES = """
import resource, signal, sys
from pathlib import Path
from edgeclip.errors import SetupError
from edgeclip_export.add_pack import add_pack
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
from edgeclip_export import add_pack as module
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
try:
    add_pack(Path(sys.argv[1]), Path(sys.argv[2]), lambda check: None)
except SetupError as error:
    sys.exit(str(error))
"""


def test_a_full_disk_leaves_the_old_bundle_whole(bundle: Path, ocelot: Path) -> None:
    """The system refuses to let a file grow, as it does on a full disk."""
    before = _hashes(bundle)
    ended = subprocess.run(
        [sys.executable, "-c", _WITH_SMALL_FILES, str(bundle), str(ocelot)],
        capture_output=True, text=True, check=False, env=os.environ,
    )  # fmt: skip
    assert "cannot be written" in ended.stderr
    assert "free some disk" in ended.stderr
    assert _hashes(bundle) == before
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 2000
    add_pack(bundle, ocelot, _ignore)


def test_what_an_interrupted_attempt_left_is_replaced(bundle: Path, ocelot: Path) -> None:
    left = bundle / "packs/ocelot/1.0.0"
    shutil.copytree(ocelot, left)
    (left / "pack.json").write_text("cut off")
    add_pack(bundle, ocelot, _ignore)
    verify_bundle(bundle, _ignore)
