"""Locks on files that are there: shared by those who use them, or for one alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edgeclip.contract.locks import lock_file


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "pack.zip"
    path.write_bytes(b"content")
    return path


@contextmanager
def _held(path: Path, *, shared: bool) -> Iterator[None]:
    descriptor = lock_file(path, shared=shared)
    try:
        yield
    finally:
        os.close(descriptor)


def test_those_who_share_hold_it_together_and_keep_out_who_wants_it_alone(file: Path) -> None:
    with _held(file, shared=True), _held(file, shared=True), pytest.raises(BlockingIOError):
        lock_file(file, shared=False)
    with _held(file, shared=False):
        assert file.read_bytes() == b"content"


@pytest.mark.parametrize("shared", [True, False])
def test_who_is_alone_keeps_out_everybody(file: Path, shared: bool) -> None:
    with _held(file, shared=False), pytest.raises(BlockingIOError):
        lock_file(file, shared=shared)


def test_a_file_in_its_place_is_another_one(file: Path) -> None:
    with _held(file, shared=False):
        other = file.with_name("other")
        other.write_bytes(b"new")
        other.replace(file)
        with _held(file, shared=False):
            pass


def test_a_lock_goes_with_a_file_that_is_renamed(file: Path) -> None:
    with _held(file, shared=True):
        aside = file.rename(file.with_suffix(".removed"))
        with pytest.raises(BlockingIOError):
            lock_file(aside, shared=False)


@pytest.mark.parametrize("shared", [True, False])
def test_what_is_not_there_is_not_made(tmp_path: Path, shared: bool) -> None:
    with pytest.raises(FileNotFoundError):
        lock_file(tmp_path / "x", shared=shared)
    assert list(tmp_path.iterdir()) == []
