"""libcuda as far as it is stood in for: host memory behind its addresses, and captured graphs."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any, ClassVar

from edgeclip.contract.cuda_memory import CudaMemory


class FakeDriver:
    """libcuda with host memory behind its addresses; unknown functions do not exist.

    Attributes:
        codes: Error codes that functions are to return.
        buffers: Memory of the GPU, by address.
        pinned: Memory of the machine, by address.
        capturing: What is being captured; None where work runs at once.
        graphs: What was captured, by handle.
        launches: How often graphs ran.
    """

    STREAMS: ClassVar[dict[int, FakeDriver]] = {}

    def __init__(self, **codes: int) -> None:
        self.codes = codes
        self.buffers: dict[int, Any] = {}
        self.pinned: dict[int, Any] = {}
        self.capturing: list[Callable[[], None]] | None = None
        self.graphs: dict[int, list[Callable[[], None]]] = {}
        self.launches = 0
        self.released = 0
        self.stream = 4711 + len(self.STREAMS)
        self.STREAMS[self.stream] = self

    def __getattribute__(self, name: str) -> Any:
        value = object.__getattribute__(self, name)
        if not name.startswith("cu"):
            return value
        code = object.__getattribute__(self, "codes").get(name, 0)
        return (lambda *_arguments: code) if code else value

    def cuInit(self, flags: int) -> int:  # noqa: N802 - the driver's names
        """Begin."""
        return flags

    def cuDeviceGet(self, device: Any, index: int) -> int:  # noqa: N802
        """Give device 0."""
        device._obj.value = index
        return 0

    def cuDevicePrimaryCtxRetain(self, context: Any, _device: Any) -> int:  # noqa: N802
        """Give a context."""
        context._obj.value = 1
        return 0

    def cuCtxSetCurrent(self, _context: Any) -> int:  # noqa: N802
        """Take a context."""
        return 0

    def cuStreamCreate(self, stream: Any, _flags: int) -> int:  # noqa: N802
        """Give a stream."""
        stream._obj.value = self.stream
        return 0

    def cuMemGetInfo_v2(self, free: Any, whole: Any) -> int:  # noqa: N802
        """Give what is free of 8 GiB, and these."""
        taken = sum(len(buffer) for buffer in self.buffers.values())
        whole._obj.value = 8 << 30
        free._obj.value = whole._obj.value - taken
        return 0

    def cuMemAlloc_v2(self, address: Any, size: Any) -> int:  # noqa: N802
        """Give memory."""
        buffer = ctypes.create_string_buffer(size.value)
        address._obj.value = ctypes.addressof(buffer)
        self.buffers[address._obj.value] = buffer
        return 0

    def cuMemFree_v2(self, address: Any) -> int:  # noqa: N802
        """Take memory back."""
        del self.buffers[address.value]
        return 0

    def cuMemAllocHost_v2(self, address: Any, size: Any) -> int:  # noqa: N802
        """Give memory of this machine."""
        buffer = ctypes.create_string_buffer(size.value)
        address._obj.value = ctypes.addressof(buffer)
        self.pinned[address._obj.value] = buffer
        return 0

    def cuMemFreeHost(self, address: Any) -> int:  # noqa: N802
        """Take memory of this machine back."""
        del self.pinned[address.value]
        return 0

    def cuStreamBeginCapture_v2(self, stream: Any, mode: int) -> int:  # noqa: N802
        """Begin to record what is put on the stream."""
        assert (stream.value, mode, self.capturing) == (self.stream, 1, None)
        self.capturing = []
        return 0

    def cuStreamEndCapture(self, _stream: Any, graph: Any) -> int:  # noqa: N802
        """Give what was recorded."""
        assert self.capturing is not None
        graph._obj.value = 100 + len(self.graphs)
        self.graphs[graph._obj.value] = self.capturing
        self.capturing = None
        return 0

    def cuGraphInstantiateWithFlags(self, runnable: Any, graph: Any, flags: Any) -> int:  # noqa: N802
        """Make it runnable."""
        assert flags.value == 0
        runnable._obj.value = 1000 + graph.value
        self.graphs[runnable._obj.value] = self.graphs[graph.value]
        return 0

    def cuGraphDestroy(self, graph: Any) -> int:  # noqa: N802
        """Take a recording back."""
        del self.graphs[graph.value]
        return 0

    def cuGraphLaunch(self, graph: Any, stream: Any) -> int:  # noqa: N802
        """Run what was recorded."""
        assert stream.value == self.stream
        self.launches += 1
        for work in self.graphs[graph.value]:
            work()
        return 0

    def cuGraphExecDestroy(self, graph: Any) -> int:  # noqa: N802
        """Take a runnable graph back."""
        del self.graphs[graph.value]
        return 0

    def cuMemcpyHtoDAsync_v2(self, target: Any, source: Any, size: Any, _stream: Any) -> int:  # noqa: N802
        """Copy into a buffer, which must be large enough."""
        assert self.capturing is None
        assert len(self.buffers[target.value]) >= size.value
        ctypes.memmove(target.value, source.value, size.value)
        return 0

    def cuMemcpyDtoHAsync_v2(self, target: Any, source: Any, size: Any, _stream: Any) -> int:  # noqa: N802
        """Copy out of a buffer."""
        assert len(self.buffers[source.value]) >= size.value
        ctypes.memmove(target.value, source.value, size.value)
        return 0

    def cuStreamSynchronize(self, stream: Any) -> int:  # noqa: N802
        """Wait for nothing."""
        assert stream.value == self.stream
        assert self.capturing is None
        return 0

    def cuStreamDestroy_v2(self, _stream: Any) -> int:  # noqa: N802
        """Take the stream back."""
        return 0

    def cuDevicePrimaryCtxRelease_v2(self, _device: Any) -> int:  # noqa: N802
        """Take the context back."""
        self.released += 1
        return 0


def memory(driver: FakeDriver | None = None) -> CudaMemory:
    """Return the GPU's memory with host memory behind it."""
    return CudaMemory(driver or FakeDriver())
