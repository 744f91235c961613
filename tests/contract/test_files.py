from __future__ import annotations

import errno
import fcntl
import os
import time
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


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), KeyboardInterrupt()])
def test_an_old_folder_comes_back_when_the_new_one_cannot_take_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    target = tmp_path / "pack"
    target.mkdir()
    (target / "old").write_text("old")
    rename = Path.replace

    def failing(self: Path, where: Path) -> Path:
        if (self / "new").exists():
            raise error
        return rename(self, where)

    monkeypatch.setattr(Path, "replace", failing)

    def write() -> None:
        with files.new_folder(target, overwrite=True) as folder:
            (folder / "new").mkdir()

    with pytest.raises(type(error)):
        write()
    assert (target / "old").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["pack"]


def _left(folder: Path, kind: str, *, age_s: float = 3600) -> Path:
    """Make what a process left that was killed so long ago."""
    left = folder / f".pack.{kind}.a1b2c3d4"
    left.mkdir()
    (left / "weights").write_text("half")
    at = time.time() - age_s
    os.utime(left, (at, at))
    return left


def _write(target: Path, *, overwrite: bool = False) -> None:
    with files.new_folder(target, overwrite=overwrite) as folder:
        (folder / "a").write_text("x")


def test_what_a_killed_process_left_goes_with_the_next_one(tmp_path: Path) -> None:
    half, old = _left(tmp_path, "new"), _left(tmp_path, "old")
    _write(tmp_path / "pack")
    assert not half.exists()
    assert not old.exists()


def test_what_a_living_process_fills_or_someone_else_made_stays(tmp_path: Path) -> None:
    young, held = _left(tmp_path, "new", age_s=1), tmp_path / ".pack.new.zzzzzzzz"
    others = tmp_path / ".pack.newer.a1b2c3d4"
    held.mkdir()
    others.mkdir()
    os.utime(held, (0, 0))
    descriptor = os.open(held, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    _write(tmp_path / "pack")
    os.close(descriptor)
    assert young.exists()
    assert held.exists()
    assert others.exists()


def test_the_only_whole_copy_stays_until_the_new_one_lies_in_its_place(tmp_path: Path) -> None:
    old = _left(tmp_path, "old")
    with pytest.raises(RuntimeError, match="half-way"), files.new_folder(tmp_path / "pack"):
        raise RuntimeError("half-way")
    assert old.exists()


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, "free some disk"),
        (errno.EFBIG, "free some disk"),
        (errno.EROFS, "make it writable, or run as its owner"),
        (errno.EACCES, "make it writable, or run as its owner"),
        (errno.ENAMETOOLONG, "name another place"),
    ],
)
def test_each_refusal_of_the_system_has_its_remedy(number: int, remedy: str) -> None:
    assert files.remedy_for(OSError(number, os.strerror(number))) == remedy
