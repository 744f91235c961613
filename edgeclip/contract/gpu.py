"""Name and abilities of the NVIDIA GPU, asked of its driver: no torch, no CUDA toolkit."""

from __future__ import annotations

import ctypes
import ctypes.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

# Values of CUdevice_attribute in CUDA's driver API; they never change.
_MULTIPROCESSORS = 16
_CAPABILITY_MAJOR = 75
_CAPABILITY_MINOR = 76
_NAME_BYTES = 256


@dataclass(frozen=True)
class Gpu:
    """One GPU.

    Attributes:
        name: As the driver says it, for example `Orin`.
        compute_capability: For example `8.7`.
        sm_count: Streaming multiprocessors: 8 on an Orin Nano, 16 on an AGX Orin.
        cuda_version: The newest CUDA that the driver runs, for example `12.6`.
    """

    name: str
    compute_capability: str
    sm_count: int
    cuda_version: str = ""


def find_gpu(index: int = 0, *, load: Callable[[], Any] | None = None) -> Gpu | None:
    """Return a GPU of this machine, or None where there is no driver or no such GPU.

    Args:
        index: Of the GPU, in the driver's order.
        load: Loads libcuda, or what stands in for it; None asks the system.
    """
    try:
        driver = (load or _libcuda)()
    except OSError:
        return None
    device = ctypes.c_int()
    if driver.cuInit(0) or driver.cuDeviceGet(ctypes.byref(device), index):
        return None
    name = ctypes.create_string_buffer(_NAME_BYTES)
    if driver.cuDeviceGetName(name, _NAME_BYTES, device):
        return None
    major, minor, multiprocessors = (
        _attribute(driver, attribute, device)
        for attribute in (_CAPABILITY_MAJOR, _CAPABILITY_MINOR, _MULTIPROCESSORS)
    )
    capability = f"{major}.{minor}"
    return Gpu(
        name.value.decode(errors="replace"), capability, multiprocessors, _cuda_version(driver)
    )


def _libcuda() -> ctypes.CDLL:
    return ctypes.CDLL(ctypes.util.find_library("cuda") or "libcuda.so.1")


def _attribute(driver: Any, attribute: int, device: ctypes.c_int) -> int:
    value = ctypes.c_int()
    driver.cuDeviceGetAttribute(ctypes.byref(value), attribute, device)
    return value.value


def _cuda_version(driver: Any) -> str:
    value = ctypes.c_int()
    driver.cuDriverGetVersion(ctypes.byref(value))
    return f"{value.value // 1000}.{value.value % 1000 // 10}"
