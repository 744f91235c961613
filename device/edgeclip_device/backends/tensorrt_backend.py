"""TensorRT: runs an engine that was built on this machine. The one import of tensorrt here.

Inputs and outputs go by name. TensorRT answers a failure with None or False, so each result is
checked at once. Buffers are as large as the engine's profile allows, so that neither another batch
nor another pack moves them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from edgeclip.contract.engine_key import Machine
from edgeclip.contract.gpu import Gpu, find_gpu
from edgeclip.contract.slots import GRAPH_OUTPUTS, OUTPUTS_OF, SLOTS_OF, graph_of
from edgeclip.contract.tensorrt_api import TensorRtApi, load_tensorrt
from edgeclip.errors import BackendError, SetupError
from edgeclip_device.backends.base import Outputs
from edgeclip_device.backends.cuda_memory import CudaMemory

_KEPT_LINES = 3
_FLOAT_BYTES = 4

ResultT = TypeVar("ResultT")


if TYPE_CHECKING:
    import tensorrt as trt  # type: ignore[import-not-found, unused-ignore]  # stubs may be absent
else:
    trt = TensorRtApi(partial(load_tensorrt, ("tensorrt",)))


def this_machine(api: Any = trt, *, find: Callable[[], Gpu | None] = find_gpu) -> Machine:
    """Return what an engine must have been built for to run here.

    Args:
        api: TensorRT, or what stands in for it.
        find: Asks for the GPU.

    Raises:
        SetupError: TensorRT cannot be imported, or there is no GPU.
    """
    version = str(api.__version__)
    gpu = find()
    if gpu is None:
        raise SetupError("TensorRT is installed, but there is no GPU that its driver knows")
    return Machine.of("tensorrt", version, gpu)


@dataclass
class _Buffer:
    """One input or output on the GPU."""

    address: int
    size_bytes: int


class TensorRtBackend:
    """Runs one engine.

    Args:
        engine: The engine file, which was found to fit this machine.
        precision: Of its sidecar.
        api: TensorRT, or what stands in for it.
        memory: The GPU's memory.

    Raises:
        SetupError: TensorRT or the GPU is missing.
        BackendError: The engine cannot be loaded, or has other inputs than this software's.
    """

    name = "tensorrt"

    def __init__(
        self, engine: Path, precision: str, *, api: Any = trt, memory: CudaMemory | None = None
    ) -> None:
        self.precision = precision
        self._api = api
        self._memory = memory if memory is not None else CudaMemory()
        try:
            self._load(engine)
        except BaseException:
            self._memory.close()
            raise
        self._outputs: dict[str, _Buffer] = {}
        self._slots: dict[str, NDArray[np.float32]] = {}

    def _load(self, engine: Path) -> None:
        api = self._api
        self._lines: list[str] = []
        self._logger = _logger(api, self._lines)
        self._runtime: trt.Runtime = api.Runtime(self._logger)
        self._engine: trt.ICudaEngine = self._given(
            self._runtime.deserialize_cuda_engine(engine.read_bytes()), f"load {engine}"
        )
        self._context: trt.IExecutionContext = self._given(
            self._engine.create_execution_context(), "make a context"
        )
        names = {
            self._engine.get_tensor_name(index) for index in range(self._engine.num_io_tensors)
        }
        self._graph = graph_of(names)
        self._check_names(engine, names)
        inputs = ("images", *SLOTS_OF[self._graph])
        self._buffers = {name: self._allocate_input(name) for name in inputs}

    def bind(self, slots: Mapping[str, NDArray[np.float32]]) -> None:
        """Take a pack's tensors; see `Backend`."""
        kept = {}
        for name in SLOTS_OF[self._graph]:
            if name not in slots:
                raise BackendError(f"the pack gives no {name}: load it with `filled_slots`")
            kept[name] = np.ascontiguousarray(slots[name], np.float32)
            self._upload(name, kept[name])
        self._memory.wait()
        self._slots = kept

    def run(self, images: NDArray[np.uint8]) -> Outputs:
        """Return what the graph computes; see `Backend`."""
        if not self._slots:
            raise BackendError("no pack is bound: call bind first")
        batch = np.ascontiguousarray(images, np.uint8)
        self._upload("images", batch)
        results = {name: self._output(name) for name in OUTPUTS_OF[self._graph]}
        done = self._context.execute_async_v3(self._memory.stream)
        self._given(done, f"run a batch {images.shape}")
        for name in GRAPH_OUTPUTS:  # the engine writes the heat maps too, which nobody asks for yet
            self._memory.download(results[name], self._outputs[name].address)
        self._memory.wait()
        return Outputs(*(results[name] for name in GRAPH_OUTPUTS))

    def close(self) -> None:
        """Give memory back."""
        self._memory.close()

    def _check_names(self, path: Path, names: set[str]) -> None:
        """Refuse an engine whose inputs and outputs are not the contract's."""
        engine, types = self._engine, self._api.DataType
        expected = {"images", *SLOTS_OF[self._graph], *OUTPUTS_OF[self._graph]}
        if names != expected:
            raise BackendError(
                f"{path} has other inputs or outputs than this software's"
                f" ({', '.join(sorted(names ^ expected))}): build it again"
            )
        for name in sorted(names):
            wanted = types.UINT8 if name == "images" else types.FLOAT
            if engine.get_tensor_dtype(name) != wanted:
                raise BackendError(f"{path}: {name} has another type than {wanted}: build it again")

    def _allocate_input(self, name: str) -> _Buffer:
        largest = _sizes(self._engine.get_tensor_profile_shape(name, 0)[2])
        buffer = self._allocate(name, largest)
        self._given(self._context.set_tensor_address(name, buffer.address), f"bind {name}")
        return buffer

    def _allocate(self, name: str, shape: tuple[int, ...]) -> _Buffer:
        size_bytes = math.prod(shape) * (1 if name == "images" else _FLOAT_BYTES)
        return _Buffer(self._memory.allocate(size_bytes), size_bytes)

    def _upload(self, name: str, array: NDArray[np.generic]) -> None:
        if array.nbytes > self._buffers[name].size_bytes:
            raise BackendError(
                f"{name} {array.shape} is larger than the engine's profile: build it again with"
                " larger sizes"
            )
        self._given(self._context.set_input_shape(name, array.shape), f"take {name} {array.shape}")
        self._memory.upload(self._buffers[name].address, array)

    def _output(self, name: str) -> NDArray[np.float32]:
        """Return an array for an output, with room for it on the GPU."""
        shape = _sizes(self._context.get_tensor_shape(name))
        if any(size < 0 for size in shape):
            raise BackendError(f"the engine does not know the size of {name}: {shape}")
        array = np.empty(shape, np.float32)
        known = self._outputs.get(name)
        if known is None or known.size_bytes < array.nbytes:
            if known is not None:
                self._memory.free(known.address)
            self._outputs[name] = self._allocate(name, shape)
            address = self._outputs[name].address
            self._given(self._context.set_tensor_address(name, address), f"bind {name}")
        return array

    def _given(self, result: ResultT | None, doing: str) -> ResultT:
        """Return a result of TensorRT, unless it says that it failed."""
        if result is None or result is False:
            reason = "; ".join(self._lines[-_KEPT_LINES:]) or "it gave no reason"
            raise BackendError(f"TensorRT could not {doing}: {reason}")
        return result


def _sizes(dims: trt.Dims) -> tuple[int, ...]:
    return tuple(int(dims[index]) for index in range(len(dims)))


def _logger(api: Any, lines: list[str]) -> trt.ILogger:
    """Return a logger that keeps errors: TensorRT's reasons are nowhere else."""

    class Logger(api.ILogger):  # type: ignore[misc]  # its base comes from what was loaded
        def __init__(self) -> None:
            api.ILogger.__init__(self)

        def log(self, severity: trt.ILogger.Severity, msg: str) -> None:
            if severity <= api.ILogger.Severity.ERROR:
                lines.append(" ".join(msg.split())[:200])
                del lines[:-_KEPT_LINES]

    return Logger()
