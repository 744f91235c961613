"""Frames of a user's folder as further images of the gates."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeclip.contract.preprocess import prepare
from edgeclip.errors import ConfigError
from edgeclip_export.bundle_writer import write_bundle
from edgeclip_export.config import BundleConfig
from edgeclip_export.real_frames import SYNTHETIC_GOLDEN, WANTED, enough_note, real_frames
from support.samples import preprocess_spec
from support.tiny_packs import TinyEncoder

SPEC = preprocess_spec(32)


def _folder(folder: Path, count: int) -> Path:
    """Write images whose red says their number."""
    for number in range(count):
        path = folder / f"night {number // 10}" / f"{number:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.full((40, 60, 3), (0, 0, number), np.uint8))
    return folder


def test_frames_are_spread_over_the_folder_and_prepared_as_a_devices(tmp_path: Path) -> None:
    found = real_frames(_folder(tmp_path, 70), SPEC)
    assert found.shape == (WANTED, 32, 32, 3)
    assert [int(frame[0, 0, 0]) for frame in found] == list(range(0, 64, 2))
    image = np.full((40, 60, 3), (2, 0, 0), np.uint8)
    np.testing.assert_array_equal(found[1], prepare(image, SPEC))


def test_what_cannot_be_read_is_made_up_for_by_others(tmp_path: Path) -> None:
    _folder(tmp_path, 64)
    (tmp_path / "night 0/000.png").write_bytes(b"")
    (tmp_path / "night 0/notes.txt").write_text("no image")
    found = real_frames(tmp_path, SPEC)
    assert len(found) == WANTED
    assert 0 not in {int(frame[0, 0, 0]) for frame in found}


def test_a_small_folder_gives_all_that_it_has(tmp_path: Path) -> None:
    assert len(real_frames(_folder(tmp_path, 3), SPEC)) == 3


@pytest.mark.parametrize(
    ("name", "words"), [("none", "is no folder"), ("", "holds no image that can be read")]
)
def test_a_folder_without_images_is_refused(tmp_path: Path, name: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        real_frames(tmp_path / name, SPEC)


def test_it_is_said_how_many_are_compared_and_how_to_have_more() -> None:
    assert enough_note(16, 0).startswith("10 real, 6 synthetic")
    assert "--verify-images FOLDER makes it 32" in enough_note(16, 0)
    assert "--verify-images" not in enough_note(16, 22)


def test_an_export_compares_them_in_every_gate(
    pack_folder: Path, encoder: TinyEncoder, tmp_path: Path
) -> None:
    files = str(encoder.config), str(encoder.weights)
    images = _folder(tmp_path / "images", 40)
    config = BundleConfig(pack_folder, tmp_path / "bundle", *files, verify_images=images)
    checks = {check.name: check for check in write_bundle(config, lambda _: None).checks}
    assert checks["frames"].note.startswith(f"{8 - SYNTHETIC_GOLDEN + WANTED} real, ")
    for subject in ("ONNX Runtime, torch", "FP16 weights in ONNX Runtime, torch"):
        assert checks[f"{subject}: logits"].note.startswith(f"{8 + WANTED + 4} images")
