"""Memory and stream of the GPU through its driver alone: no torch, no CUDA toolkit.

libcuda comes with every NVIDIA driver, on a Jetson with JetPack. Names and values are those of
CUDA's driver API.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import logging
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeclip.errors import GpuError, SetupError

log = logging.getLogger(__name__)

_NON_BLOCKING = 1  # CU_STREAM_NON_BLOCKING: the legacy stream must not break a capture
_THREAD_LOCAL = 1  # CU_STREAM_CAPTURE_MODE_THREAD_LOCAL


class CudaMemory:
    """Buffers, one stream and captured graphs on the first GPU, in TensorRT's own context.

    Args:
        driver: libcuda, loaded where not given.

    Raises:
        SetupError: There is no driver or no GPU.
        GpuError: The driver refuses.
    """

    def __init__(self, driver: Any = None) -> None:
        self._driver = driver if driver is not None else _load()
        self._buffers: list[int] = []
        self._pinned: list[int] = []
        self._graphs: list[int] = []
        device, context, stream = ctypes.c_int(), ctypes.c_void_p(), ctypes.c_void_p()
        if self._driver.cuInit(0):
            raise SetupError(
                "the NVIDIA driver finds no GPU: check it with nvidia-smi or tegrastats"
            )
        self._check("cuDeviceGet", ctypes.byref(device), 0)
        self._device = device
        self._check("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
        self._check("cuCtxSetCurrent", context)
        self._check("cuStreamCreate", ctypes.byref(stream), _NON_BLOCKING)
        self._stream = stream

    @property
    def stream(self) -> int:
        """Handle of the stream."""
        return int(self._stream.value or 0)

    def free_bytes(self) -> int:
        """Return what is free of the GPU's memory, whoever took the rest of it.

        Raises:
            GpuError: The driver does not say.
        """
        free, whole = ctypes.c_size_t(), ctypes.c_size_t()
        self._check("cuMemGetInfo_v2", ctypes.byref(free), ctypes.byref(whole))
        return free.value

    def allocate(self, size_bytes: int) -> int:
        """Return the address of a new buffer on the GPU; `close` frees it.

        Raises:
            GpuError: There is not enough memory.
        """
        address = ctypes.c_uint64()
        self._check("cuMemAlloc_v2", ctypes.byref(address), ctypes.c_size_t(max(size_bytes, 1)))
        self._buffers.append(address.value)
        return address.value

    def pinned(self, size_bytes: int) -> NDArray[np.uint8]:
        """Return bytes of this machine's memory that the GPU copies by itself; `close` frees them.

        Raises:
            GpuError: There is not enough memory.
        """
        size_bytes = max(size_bytes, 1)
        address = ctypes.c_void_p()
        self._check("cuMemAllocHost_v2", ctypes.byref(address), ctypes.c_size_t(size_bytes))
        place = int(address.value or 0)
        self._pinned.append(place)
        return np.ctypeslib.as_array((ctypes.c_uint8 * size_bytes).from_address(place))

    def upload(self, address: int, array: NDArray[np.generic]) -> None:
        """Copy a contiguous array into a buffer; it must live until `wait`.

        Raises:
            GpuError: The copy failed.
        """
        source = ctypes.c_void_p(array.ctypes.data)
        size = ctypes.c_size_t(array.nbytes)
        self._check("cuMemcpyHtoDAsync_v2", ctypes.c_uint64(address), source, size, self._stream)

    def download(self, array: NDArray[np.generic], address: int) -> None:
        """Copy a buffer into a contiguous array; it holds the values after `wait`.

        Raises:
            GpuError: The copy failed.
        """
        target = ctypes.c_void_p(array.ctypes.data)
        size = ctypes.c_size_t(array.nbytes)
        self._check("cuMemcpyDtoHAsync_v2", target, ctypes.c_uint64(address), size, self._stream)

    def wait(self) -> None:
        """Wait until all that was asked is done.

        Raises:
            GpuError: Something of it failed.
        """
        self._check("cuStreamSynchronize", self._stream)

    def capture(self, enqueue: Callable[[], object]) -> int:
        """Return a graph of what a function puts on the stream, which does not run yet.

        Args:
            enqueue: Puts work on `stream`, and neither waits nor allocates.

        Raises:
            GpuError: The work cannot be captured.
        """
        graph, runnable = ctypes.c_void_p(), ctypes.c_void_p()
        self._check("cuStreamBeginCapture_v2", self._stream, _THREAD_LOCAL)
        try:
            enqueue()
        except BaseException:
            self._driver.cuStreamEndCapture(self._stream, ctypes.byref(graph))
            self._destroy(graph)
            raise
        self._check("cuStreamEndCapture", self._stream, ctypes.byref(graph))
        try:
            flags = ctypes.c_ulonglong(0)
            self._check("cuGraphInstantiateWithFlags", ctypes.byref(runnable), graph, flags)
        finally:
            self._destroy(graph)
        self._graphs.append(int(runnable.value or 0))
        return self._graphs[-1]

    def launch(self, graph: int) -> None:
        """Run a captured graph.

        Raises:
            GpuError: It cannot be started.
        """
        self._check("cuGraphLaunch", ctypes.c_void_p(graph), self._stream)

    def forget(self, graph: int) -> None:
        """Free a captured graph."""
        self._graphs.remove(graph)
        self._check("cuGraphExecDestroy", ctypes.c_void_p(graph))

    def close(self) -> None:
        """Free everything; arrays that `pinned` gave are no longer to be touched.

        Each part is tried, whatever became of the others: after a failed run the driver may refuse
        all of them, which is logged, since the failure itself is on its way.
        """
        for graph in self._graphs:
            self._try("cuGraphExecDestroy", ctypes.c_void_p(graph))
        for address in self._buffers:
            self._try("cuMemFree_v2", ctypes.c_uint64(address))
        for place in self._pinned:
            self._try("cuMemFreeHost", ctypes.c_void_p(place))
        self._graphs, self._buffers, self._pinned = [], [], []
        self._try("cuStreamDestroy_v2", self._stream)
        self._try("cuDevicePrimaryCtxRelease_v2", self._device)

    def _try(self, function: str, *arguments: Any) -> None:
        try:
            self._check(function, *arguments)
        except GpuError as error:
            log.warning("memory of the GPU was not given back: %s", error)

    def _destroy(self, graph: ctypes.c_void_p) -> None:
        """Free a recording; an interrupted one may be null."""
        if graph.value:
            self._try("cuGraphDestroy", graph)

    def _check(self, function: str, *arguments: Any) -> None:
        code = getattr(self._driver, function)(*arguments)
        if code:
            raise GpuError(f"CUDA's {function} failed with error {code}")


def _load() -> ctypes.CDLL:
    try:
        return ctypes.CDLL(ctypes.util.find_library("cuda") or "libcuda.so.1")
    except OSError as error:
        raise SetupError(
            f"there is no NVIDIA driver here ({error}): TensorRT needs a GPU; use"
            ' backend = "onnxruntime"'
        ) from error
