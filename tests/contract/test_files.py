from __future__ import annotations

import os
from pathlib import Path

import pytest

from edgeclip.contract import files
from edgeclip.errors import ConfigError


def test_a_file_is_replaced_whole_and_leaves_no_temporary_file(tmp_path: Path) -> None:
    target = tmp_path / "new" / "a.json"
    files.write_text(target, "one")
    files.write_text(target, "two")
    assert target.read_text() == "two"
    assert [path.name for path in target.parent.iterdir()] == ["a.json"]


def test_a_write_that_fails_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "a.json"
    files.write_text(target, "old")

    def full_disk(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        files.write_text(target, "new")
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_a_folder_appears_only_when_its_block_ends_well(tmp_path: Path) -> None:
    target = tmp_path / "pack"
    with files.new_folder(target) as folder:
        (folder / "a").write_text("x")
        assert not target.exists()
    assert (target / "a").read_text() == "x"
    assert [path.name for path in tmp_path.iterdir()] == ["pack"]


def test_a_folder_whose_block_fails_leaves_nothing(tmp_path: Path) -> None:
    def write_half_a_pack() -> None:
        with files.new_folder(tmp_path / "pack") as folder:
            (folder / "a").write_text("x")
            raise RuntimeError("half-way")

    with pytest.raises(RuntimeError, match="half-way"):
        write_half_a_pack()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_holds_something_is_not_overwritten_unasked(tmp_path: Path) -> None:
    target = tmp_path / "pack"
    target.mkdir()
    (target / "mine").write_text("precious")
    with (
        pytest.raises(ConfigError, match="not empty: choose another --out"),
        files.new_folder(target),
    ):
        pass
    assert (target / "mine").read_text() == "precious"


def test_an_overwritten_folder_holds_only_the_new_files(tmp_path: Path) -> None:
    target = tmp_path / "pack"
    target.mkdir()
    (target / "old").write_text("old")
    with files.new_folder(target, overwrite=True) as folder:
        (folder / "new").write_text("new")
    assert [path.name for path in target.iterdir()] == ["new"]
    assert [path.name for path in tmp_path.iterdir()] == ["pack"]


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "pack").write_text("a file")
    with pytest.raises(ConfigError, match="is a file"), files.new_folder(tmp_path / "pack"):
        pass


def test_an_overwrite_replaces_an_artefact_of_the_same_kind_and_nothing_else(
    tmp_path: Path,
) -> None:
    images = tmp_path / "my-images"
    (images / "leopard").mkdir(parents=True)
    with pytest.raises(ConfigError, match=r"holds no pack.json: --overwrite would delete"):
        files.refuse_filled(images, overwrite=True, marker="pack.json")
    (images / "pack.json").write_text("{}")
    files.refuse_filled(images, overwrite=True, marker="pack.json")


def test_an_old_folder_comes_back_when_the_new_one_cannot_take_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "pack"
    target.mkdir()
    (target / "old").write_text("old")
    rename = Path.replace

    def failing(self: Path, where: Path) -> Path:
        if (self / "new").exists():
            raise OSError(5, "Input/output error")
        return rename(self, where)

    monkeypatch.setattr(Path, "replace", failing)

    def write() -> None:
        with files.new_folder(target, overwrite=True) as folder:
            (folder / "new").mkdir()

    with pytest.raises(OSError, match="Input/output"):
        write()
    assert (target / "old").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["pack"]
