from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgeclip.run_folder import RunFolder, run_path

ARRAYS = {
    "0.1": np.arange(6, dtype=np.float32).reshape(2, 3).T,  # not contiguous
    "losses": np.asarray([0.1, 1 / 3]),
    "step": np.asarray(3.0, np.float32),
}


def _empty(_: bytes) -> bytes:
    return b""


def _half(data: bytes) -> bytes:
    return data[: len(data) // 2]


def _other(_: bytes) -> bytes:
    return b"no safetensors at all"


def _one_bit(data: bytes) -> bytes:
    return data[:-3] + bytes([data[-3] ^ 1]) + data[-2:]


def test_arrays_come_back_bit_for_bit_with_their_shapes(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "pack.run", "e" * 64)
    run.put("fit-1", ARRAYS)
    found = run.get("fit-1")
    assert found is not None
    assert set(found) == set(ARRAYS)
    for name, value in ARRAYS.items():
        assert (found[name].dtype, found[name].shape) == (value.dtype, value.shape)
        np.testing.assert_array_equal(found[name], value)


@pytest.mark.parametrize("damage", [_empty, _half, _other, _one_bit])
def test_a_damaged_file_is_left_aside_and_said(
    damage: Callable[[bytes], bytes], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = RunFolder(tmp_path, "e" * 64)
    run.put("fit-1", ARRAYS)
    file = tmp_path / "fit-1.safetensors"
    file.write_bytes(damage(file.read_bytes()))
    assert run.get("fit-1") is None
    assert "fit-1.safetensors cannot be used" in caplog.text
    assert "computed again" in caplog.text


def test_what_was_never_kept_is_none_and_dropping_it_is_no_error(tmp_path: Path) -> None:
    run = RunFolder(tmp_path, "e" * 64)
    assert run.get("fit-1") is None
    run.drop("fit-1")


def test_the_folder_lies_beside_the_pack() -> None:
    assert run_path(Path("packs/leopard")) == Path("packs/leopard.run")
    assert run_path(Path("packs/v1.2")) == Path("packs/v1.2.run")
