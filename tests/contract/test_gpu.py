from __future__ import annotations

import subprocess
from typing import Any

import pytest

from edgeclip.contract.gpu import Gpu, find_gpu

ATTRIBUTES = {16: 8, 75: 8, 76: 7}  # multiprocessors, and the two halves of the capability


class _Driver:
    """libcuda of a machine with one Orin."""

    def __init__(self, **codes: int) -> None:
        self.codes = codes

    def cuInit(self, _flags: int) -> int:  # noqa: N802 - the driver's names
        return self.codes.get("cuInit", 0)

    def cuDeviceGet(self, device: Any, index: int) -> int:  # noqa: N802
        device._obj.value = index
        return 0 if index == 0 else 101

    def cuDeviceGetName(self, name: Any, size: int, _device: Any) -> int:  # noqa: N802
        name.value = b"Orin"[:size]
        return 0

    def cuDeviceGetAttribute(self, value: Any, attribute: int, _device: Any) -> int:  # noqa: N802
        value._obj.value = ATTRIBUTES[attribute]
        return 0

    def cuDriverGetVersion(self, value: Any) -> int:  # noqa: N802
        value._obj.value = 12060
        return 0


def _no_driver() -> None:
    raise OSError("libcuda.so.1: cannot open shared object file")


def test_a_gpu_is_what_its_driver_says() -> None:
    assert find_gpu(load=_Driver) == Gpu("Orin", "8.7", 8, "12.6")


def test_a_gpu_that_does_not_exist_is_none() -> None:
    assert find_gpu(1, load=_Driver) is None


def test_without_a_driver_or_any_gpu_there_is_none() -> None:
    assert find_gpu(load=_no_driver) is None
    assert find_gpu(load=lambda: _Driver(cuInit=100)) is None


@pytest.mark.gpu
def test_the_gpu_is_the_one_that_the_vendors_tool_names() -> None:
    listed = subprocess.run(
        ["nvidia-smi", "--query-gpu=name,compute_cap", "--format=csv,noheader"],
        capture_output=True,
        text=True,
        check=True,
    )
    gpu = find_gpu()
    assert gpu is not None
    assert f"{gpu.name}, {gpu.compute_capability}" in listed.stdout
    assert gpu.sm_count > 0
