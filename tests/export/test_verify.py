from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgeclip.contract.hashing import sha256_file
from edgeclip.errors import (
    ArtefactError,
    BundleDamagedError,
    BundleMismatchError,
    BundleMissingError,
    PackError,
    ParityError,
)
from edgeclip_export.checks import Check
from edgeclip_export.verify import verify_bundle

PACK = "packs/leopard/1.0.0"


def _ignore(check: Check) -> None:
    assert check.name


def _change_json(path: Path, **fields: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def _hash_again(bundle: Path) -> None:
    """Make all hashes right, as someone would who alters a bundle on purpose."""
    pack = bundle / PACK / "pack.json"
    names = json.loads(pack.read_text())["files"]
    _change_json(pack, files={name: sha256_file(bundle / PACK / name) for name in names})
    manifest = bundle / "manifest.json"
    files = {
        name: {"sha256": sha256_file(bundle / name), "size_bytes": (bundle / name).stat().st_size}
        for name in json.loads(manifest.read_text())["files"]
    }
    _change_json(manifest, files=files)


def test_a_whole_bundle_passes_and_its_checks_are_handed_on(bundle: Path) -> None:
    seen: list[Check] = []
    checks = verify_bundle(bundle, seen.append)
    assert checks == tuple(seen)
    assert all(check.passed is not False for check in checks)
    assert sum(check.passed is True for check in checks) >= 5
    assert checks[0].note == "7 files"


def test_golden_outputs_that_the_graph_does_not_give_are_found(bundle: Path) -> None:
    path = bundle / PACK / "golden.npz"
    with np.load(path) as archive:
        arrays = dict(archive)
    arrays["logits"][3] += np.float32(0.5)
    np.savez(path, **arrays)
    _hash_again(bundle)
    with pytest.raises(ParityError, match=r"logits  5\.00e-01 .* worst logits in image 3") as error:
        verify_bundle(bundle, _ignore)
    assert "do not ship this bundle" in str(error.value)


def _no_manifest(bundle: Path) -> None:
    (bundle / "manifest.json").unlink()


def _empty_manifest(bundle: Path) -> None:
    (bundle / "manifest.json").write_text("")


def _later_version(bundle: Path) -> None:
    _change_json(bundle / "manifest.json", schema="edgeclip.bundle/3")


def _older_version(bundle: Path) -> None:
    _change_json(bundle / "manifest.json", schema="edgeclip.bundle/1")


def _path_outside(bundle: Path) -> None:
    record = {"sha256": "a" * 64, "size_bytes": 1}
    _change_json(bundle / "manifest.json", files={"../secret": record})


def _binary_manifest(bundle: Path) -> None:
    (bundle / "manifest.json").write_bytes(b"\xff\xfe\x00")


def _no_golden(bundle: Path) -> None:
    (bundle / PACK / "golden.npz").unlink()


def _altered_pack(bundle: Path) -> None:
    path = bundle / PACK / "adapter.safetensors"
    path.write_bytes(path.read_bytes().replace(b"F32", b"F16"))


def _garbage_golden(bundle: Path) -> None:
    (bundle / PACK / "golden.npz").write_bytes(b"PK garbage")
    _hash_again(bundle)


def _pack_of_another_encoder(bundle: Path) -> None:
    path = bundle / PACK / "pack.json"
    base = json.loads(path.read_text())["base"] | {"weights_sha256": "b" * 64}
    _change_json(path, base=base)
    _hash_again(bundle)


@pytest.mark.parametrize(
    ("damage", "kind", "message"),
    [
        (_no_manifest, BundleMissingError, "make one with `edgeclip-export bundle`"),
        (_binary_manifest, BundleDamagedError, "Invalid JSON"),
        (_empty_manifest, BundleDamagedError, "Invalid JSON"),
        (_later_version, BundleMismatchError, "update edgeclip on this machine"),
        (_older_version, BundleMismatchError, "edgeclip.bundle/1, this software reads"),
        (_path_outside, BundleDamagedError, "leaves the bundle"),
        (_no_golden, BundleDamagedError, "golden.npz is missing"),
        (_altered_pack, BundleDamagedError, "adapter.safetensors was altered"),
        (_garbage_golden, PackError, "holds no golden outputs"),
        (_pack_of_another_encoder, BundleMismatchError, "is for another encoder"),
    ],
)
def test_a_damaged_bundle_is_refused_with_what_is_wrong(
    damage: Callable[[Path], None], kind: type[ArtefactError], message: str, bundle: Path
) -> None:
    damage(bundle)
    with pytest.raises(kind) as error:
        verify_bundle(bundle, _ignore)
    assert message in str(error.value)
