from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

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
from support.altered_bundles import PACK, change_json, hash_again


def _ignore(check: Check) -> None:
    assert check.name


def test_a_whole_bundle_passes_and_its_checks_are_handed_on(bundle: Path) -> None:
    seen: list[Check] = []
    checks = verify_bundle(bundle, seen.append)
    assert checks == tuple(seen)
    assert all(check.passed is not False for check in checks)
    assert sum(check.passed is True for check in checks) >= 5
    assert checks[0].note == "7 files"


def test_files_that_are_not_the_bundle_s_are_named(bundle: Path) -> None:
    (bundle / "notes").mkdir()
    (bundle / "notes/extra.txt").write_text("")
    (bundle / "engines").mkdir()
    (bundle / "engines/a.engine").write_text("")
    (bundle / ".add-pack.lock").write_text("")
    checks = verify_bundle(bundle, _ignore, backend="ort")
    (stray,) = [check.line() for check in checks if check.passed is None]
    assert stray.startswith("- files that are not the bundle's  notes/extra.txt: nothing reads")


def test_golden_outputs_that_the_graph_does_not_give_are_found(bundle: Path) -> None:
    path = bundle / PACK / "golden.npz"
    with np.load(path) as archive:
        arrays = dict(archive)
    arrays["logits"][3] += np.float32(0.5)
    np.savez(path, **arrays)
    hash_again(bundle)
    with pytest.raises(ParityError, match=r"logits  5\.00e-01 .* worst logits in image 3") as error:
        verify_bundle(bundle, _ignore)
    assert "do not ship this bundle" in str(error.value)


def _no_manifest(bundle: Path) -> None:
    (bundle / "manifest.json").unlink()


def _empty_manifest(bundle: Path) -> None:
    (bundle / "manifest.json").write_text("")


def _later_version(bundle: Path) -> None:
    change_json(bundle / "manifest.json", schema="edgeclip.bundle/3")


def _older_version(bundle: Path) -> None:
    change_json(bundle / "manifest.json", schema="edgeclip.bundle/1")


def _path_outside(bundle: Path) -> None:
    record = {"sha256": "a" * 64, "size_bytes": 1}
    change_json(bundle / "manifest.json", files={"../secret": record})


def _path_with_a_null(bundle: Path) -> None:
    record = {"sha256": "a" * 64, "size_bytes": 1}
    change_json(bundle / "manifest.json", files={"a\0b": record})


def _binary_manifest(bundle: Path) -> None:
    (bundle / "manifest.json").write_bytes(b"\xff\xfe\x00")


def _no_golden(bundle: Path) -> None:
    (bundle / PACK / "golden.npz").unlink()


def _altered_pack(bundle: Path) -> None:
    path = bundle / PACK / "adapter.safetensors"
    path.write_bytes(path.read_bytes().replace(b"F32", b"F16"))


def _garbage_golden(bundle: Path) -> None:
    (bundle / PACK / "golden.npz").write_bytes(b"PK garbage")
    hash_again(bundle)


def _pack_of_another_encoder(bundle: Path) -> None:
    path = bundle / PACK / "pack.json"
    base = json.loads(path.read_text())["base"] | {"weights_sha256": "b" * 64}
    change_json(path, base=base)
    hash_again(bundle)


@pytest.mark.parametrize(
    ("damage", "kind", "message"),
    [
        (_no_manifest, BundleMissingError, "make one with `edgeclip-export bundle`"),
        (_binary_manifest, BundleDamagedError, "Invalid JSON"),
        (_empty_manifest, BundleDamagedError, "Invalid JSON"),
        (_later_version, BundleMismatchError, "update edgeclip on this machine"),
        (_older_version, BundleMismatchError, "edgeclip.bundle/1, this software reads"),
        (_path_outside, BundleDamagedError, "leaves the bundle"),
        (_path_with_a_null, BundleDamagedError, "leaves the bundle"),
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
