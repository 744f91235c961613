"""What stands on contact sheets: above them, and below each image."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeclip.archive.deciding import Deciders
from edgeclip.archive.sheets import DRAWS_ALL_LETTERS, Shown, caption, heading
from edgeclip.contract.pack import PackManifest, Thresholds, read_pack_manifest


@pytest.fixture(scope="module")
def manifest(trained: tuple[Path, object]) -> PackManifest:
    return read_pack_manifest(trained[0])


def _at(manifest: PackManifest, on: float) -> PackManifest:
    thresholds = {"leopard": Thresholds(on=on, off=0.1, peak=0.9)}
    return manifest.model_copy(update={"thresholds": thresholds})


def test_a_sheet_says_class_threshold_and_how_many_of_how_many(manifest: PackManifest) -> None:
    one = Deciders({"a": _at(manifest, 0.43)})
    assert heading(Shown("leopard", 1, 12, 12, 12), one) == (
        "leopard: 1 to 12 of 12 images at the threshold (0.43) or above, the surest first"
    )
    assert heading(Shown("leopard", 31, 60, 60, 124), one).endswith(
        "31 to 60 of 124 images at the threshold (0.43) or above, the surest first; 60 are drawn"
    )


def test_thresholds_of_several_packs_are_told_by_their_range(manifest: PackManifest) -> None:
    two = Deciders({"a": _at(manifest, 0.5), "b": _at(manifest, 0.25)})
    said = heading(Shown("leopard", 1, 1, 1, 1), two)
    assert "1 to 1 of 1 image at the threshold (0.25 to 0.50, as its pack says) or above" in said


def test_a_caption_has_name_and_folder() -> None:
    assert caption(0.973, "ridge/DCIM/IMG_0001.JPG") == ("0.97 IMG_0001.JPG", "ridge/DCIM")
    assert caption(0.5, "a.jpg") == ("0.50 a.jpg", "")


def test_a_long_caption_loses_the_middles() -> None:
    name, folder = caption(1, f"ridge-{'x' * 90}-north/2024-05-{'0' * 90}-42.jpg")
    assert name == "1.00 2024-05-000000..0000000-42.jpg"
    assert len(name) == 5 + 30
    assert folder.startswith("ridge-")
    assert folder.endswith("-north")
    assert len(folder) == 35


def test_a_caption_keeps_the_letters_of_all_languages_where_opencv_can_draw_them() -> None:
    said = ("1.00 \u8c79.jpg", "f\u00f6hr") if DRAWS_ALL_LETTERS else ("1.00 ?.jpg", "f?hr")
    assert caption(1, "fo\u0308hr/\u8c79.jpg") == said


def test_a_caption_is_one_line_whatever_a_name_holds() -> None:
    assert caption(1, "a\tb/new\nline\udcff.jpg") == ("1.00 new line .jpg", "a b")
