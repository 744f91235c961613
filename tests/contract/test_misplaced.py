from __future__ import annotations

from pathlib import Path

import pytest

from edgeclip.contract.bundle import read_bundle
from edgeclip.contract.pack import read_pack_manifest
from edgeclip.errors import BundleMissingError, PackError


def test_a_folder_that_is_not_there_is_told_so(tmp_path: Path) -> None:
    nowhere = tmp_path / "pakc"
    with pytest.raises(PackError, match=f"^there is no folder {nowhere}: check the path, or make"):
        read_pack_manifest(nowhere)
    with pytest.raises(BundleMissingError, match=f"^there is no folder {nowhere}: check the path"):
        read_bundle(nowhere)


def test_a_pack_in_place_of_a_bundle_is_called_a_pack(tmp_path: Path) -> None:
    (tmp_path / "pack.json").write_text("{}")
    with pytest.raises(BundleMissingError, match="is an adapter pack, not a bundle: name a bundle"):
        read_bundle(tmp_path)


@pytest.mark.parametrize(
    ("file", "what"), [("manifest.json", "a bundle"), ("router.json", "a set of packs")]
)
def test_what_is_no_pack_is_called_what_it_is(tmp_path: Path, file: str, what: str) -> None:
    (tmp_path / file).write_text("{}")
    with pytest.raises(PackError, match=f"is {what}, not an adapter pack: name an adapter pack"):
        read_pack_manifest(tmp_path)


def test_a_bundle_in_place_of_a_pack_names_one_in_it(tmp_path: Path) -> None:
    held = tmp_path / "packs/leopard/1.0.0"
    held.mkdir(parents=True)
    (held / "pack.json").write_text("{}")
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(PackError, match=f"is a bundle, not an adapter pack: name one in .* {held}"):
        read_pack_manifest(tmp_path)


def test_a_file_in_place_of_a_folder_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "pack.zip").write_text("")
    with pytest.raises(PackError, match="is a file, and an adapter pack is a folder"):
        read_pack_manifest(tmp_path / "pack.zip")


def test_a_folder_with_nothing_in_it_lacks_the_file(tmp_path: Path) -> None:
    with pytest.raises(BundleMissingError, match=r"holds no readable manifest\.json: make one"):
        read_bundle(tmp_path)
