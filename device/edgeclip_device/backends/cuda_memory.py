"""Memory of the GPU through its driver alone: no torch, no CUDA toolkit, no further package.

libcuda comes with every NVIDIA driver, on a Jetson with JetPack.
"""

from __future__ import annotations

import ctypes
import ctypes.util
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeclip.errors import BackendError, SetupError


class CudaMemory:
    """Buffers and one stream on the first GPU, in the context that TensorRT uses, too.

    Args:
        driver: libcuda, loaded where not given.

    Raises:
        SetupError: There is no driver or no GPU.
        BackendError: The driver refuses.
    """

    def __init__(self, driver: Any = None) -> None:
        self._driver = driver if driver is not None else _load()
        self._buffers: list[int] = []
        device, context, stream = ctypes.c_int(), ctypes.c_void_p(), ctypes.c_void_p()
        if self._driver.cuInit(0):
            raise SetupError(
                "the NVIDIA driver finds no GPU: check it with nvidia-smi or tegrastats"
            )
        self._check("cuDeviceGet", ctypes.byref(device), 0)
        self._device = device
        self._check("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
        self._check("cuCtxSetCurrent", context)
        self._check("cuStreamCreate", ctypes.byref(stream), 0)
        self._stream = stream

    @property
    def stream(self) -> int:
        """Handle of the stream."""
        return int(self._stream.value or 0)

    def allocate(self, size_bytes: int) -> int:
        """Return the address of a new buffer; `close` frees it.

        Raises:
            BackendError: There is not enough memory.
        """
        address = ctypes.c_uint64()
        self._check("cuMemAlloc_v2", ctypes.byref(address), ctypes.c_size_t(max(size_bytes, 1)))
        self._buffers.append(address.value)
        return address.value

    def free(self, address: int) -> None:
        """Free a buffer."""
        self._buffers.remove(address)
        self._check("cuMemFree_v2", ctypes.c_uint64(address))

    def upload(self, address: int, array: NDArray[np.generic]) -> None:
        """Copy a contiguous array into a buffer.

        Raises:
            BackendError: The copy failed.
        """
        source = ctypes.c_void_p(array.ctypes.data)
        size = ctypes.c_size_t(array.nbytes)
        self._check("cuMemcpyHtoDAsync_v2", ctypes.c_uint64(address), source, size, self._stream)

    def download(self, array: NDArray[np.generic], address: int) -> None:
        """Copy a buffer into a contiguous array; it holds the values after `wait`.

        Raises:
            BackendError: The copy failed.
        """
        target = ctypes.c_void_p(array.ctypes.data)
        size = ctypes.c_size_t(array.nbytes)
        self._check("cuMemcpyDtoHAsync_v2", target, ctypes.c_uint64(address), size, self._stream)

    def wait(self) -> None:
        """Wait until all that was asked is done.

        Raises:
            BackendError: Something of it failed.
        """
        self._check("cuStreamSynchronize", self._stream)

    def close(self) -> None:
        """Free everything."""
        for address in tuple(self._buffers):
            self.free(address)
        self._check("cuStreamDestroy_v2", self._stream)
        self._check("cuDevicePrimaryCtxRelease_v2", self._device)

    def _check(self, function: str, *arguments: Any) -> None:
        code = getattr(self._driver, function)(*arguments)
        if code:
            raise BackendError(f"CUDA's {function} failed with error {code}")


def _load() -> ctypes.CDLL:
    try:
        return ctypes.CDLL(ctypes.util.find_library("cuda") or "libcuda.so.1")
    except OSError as error:
        raise SetupError(
            f"there is no NVIDIA driver here ({error}): TensorRT needs a GPU; use"
            ' backend = "onnxruntime"'
        ) from error
