"""Runs a TensorRT engine: inputs and outputs by name, in buffers that never move.

Buffers are as large as the engine's profile allows, so that neither another batch nor another pack
moves them. A batch of one is replayed from a CUDA graph after a few runs of the same shapes. The
module is handed in: the device and the exporter load it, and tests stand in for it.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgeclip.contract.cuda_memory import CudaMemory
from edgeclip.contract.tensorrt_reasons import Reasons
from edgeclip.errors import BackendError, EngineRefusedError, GpuError

if TYPE_CHECKING:
    import tensorrt as trt  # type: ignore[import-not-found, unused-ignore]  # stubs may be absent

log = logging.getLogger(__name__)

IMAGES = "images"
WARM_UPS = 3
"""Runs of the same shapes before a batch of one is captured: TensorRT settles in the first ones."""

Array = NDArray[Any]
TensorType = type[np.float32] | type[np.uint8]


class EngineRunner:
    """One engine on the first GPU.

    Args:
        engine: Its bytes.
        what: Its name, for errors.
        api: The accessor of TensorRT.
        memory: The GPU's memory; it is closed with the runner.

    Raises:
        EngineRefusedError: TensorRT does not take its bytes, or it has a tensor of an unknown type.
        GpuError: The GPU has no room for it, or failed.
        BackendError: TensorRT cannot run it.
    """

    def __init__(self, engine: bytes, what: str, api: Any, memory: CudaMemory) -> None:
        self._memory = memory
        self._known: dict[str, TensorType] = {
            str(api.DataType.FLOAT): np.float32,
            str(api.DataType.UINT8): np.uint8,
        }
        self._reasons = Reasons(api)
        self._logger = self._reasons.logger()
        made = self._reasons.made
        self._runtime: trt.Runtime = api.Runtime(self._logger)
        self._engine: trt.ICudaEngine = self._load(engine, what)
        self._context: trt.IExecutionContext = made(
            self._engine.create_execution_context(), "could not make a context"
        )
        self._mode = api.TensorIOMode.INPUT
        self.types = {name: self._type(name, what) for name in self._names()}
        self.inputs = tuple(name for name in self.types if self._is_input(name))
        self.outputs = tuple(name for name in self.types if name not in self.inputs)
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._room: dict[str, int] = {}
        self._addresses = self._allocate()
        self._staged = {name: memory.pinned(self._room[name]) for name in (IMAGES, *self.outputs)}
        self._runs = 0
        self._graph: int | None = None
        self._may_capture = True

    @property
    def most_images(self) -> int:
        """The largest batch of the engine's profile."""
        return _sizes(self._engine.get_tensor_profile_shape(IMAGES, 0)[2])[0]

    def free_gpu_bytes(self) -> int:
        """Return what is free of the GPU's memory, whoever took the rest of it.

        Raises:
            GpuError: The driver does not say.
        """
        return self._memory.free_bytes()

    def bind(self, tensors: Mapping[str, Array]) -> None:
        """Copy inputs that stay until others are bound; nothing is allocated.

        Args:
            tensors: By name of the input, of its type and C-contiguous.

        Raises:
            BackendError: A tensor is larger than the engine's profile, or the copy failed.
        """
        for name, tensor in tensors.items():
            self._take_shape(name, tensor)
            self._memory.upload(self._addresses[name], tensor)
        self._memory.wait()  # until then the arrays must live

    def run(self, images: NDArray[np.uint8], wanted: Iterable[str]) -> dict[str, Array]:
        """Return outputs of one batch; all other inputs must be bound.

        Args:
            images: `(B, S, S, 3)` uint8.
            wanted: Names of outputs; the others are computed and left on the GPU.

        Raises:
            BackendError: The batch is larger than the profile, or TensorRT failed.
        """
        self._take_shape(IMAGES, images)
        staged = self._staged[IMAGES][: images.nbytes]
        staged[:] = images.reshape(-1)
        self._memory.upload(self._addresses[IMAGES], staged)
        self._execute(images.shape)
        views = {name: self._view(name) for name in wanted}
        for name, view in views.items():
            self._memory.download(view, self._addresses[name])
        self._memory.wait()
        return {name: view.copy() for name, view in views.items()}

    @property
    def stream(self) -> int:
        """Handle of the CUDA stream that everything runs on."""
        return self._memory.stream

    def enqueue(self) -> None:
        """Compute the last batch once more, copying nothing and waiting for nothing.

        For measurements: what the GPU itself takes lies between two events around it.

        Raises:
            BackendError: Nothing has run yet, or TensorRT failed.
        """
        if IMAGES not in self._shapes:
            raise BackendError("nothing has run yet: call run first")
        self._execute(self._shapes[IMAGES])

    def close(self) -> None:
        """Give all memory back, TensorRT's own too: another engine may need the room."""
        self._staged = {}
        for name in ("_context", "_engine", "_runtime"):  # in this order, the owner last
            vars(self).pop(name, None)
        self._memory.close()

    def _load(self, engine: bytes, what: str) -> trt.ICudaEngine:
        try:
            loaded = self._runtime.deserialize_cuda_engine(engine)
            return self._reasons.made(loaded, f"could not load {what}")
        except GpuError:
            raise
        except BackendError as error:
            raise EngineRefusedError(str(error)) from error

    def _execute(self, shape: tuple[int, ...]) -> None:
        if self._graph is None and shape[0] == 1 and self._runs >= WARM_UPS and self._may_capture:
            self._capture()
        if self._graph is not None:
            self._memory.launch(self._graph)
            return
        self._enqueue(shape)
        self._runs += 1

    def _enqueue(self, shape: tuple[int, ...]) -> None:
        done = self._context.execute_async_v3(self._memory.stream)
        self._reasons.made(done, f"could not run a batch {shape}")

    def _capture(self) -> None:
        """Record a run; where that fails, say so once and go on without."""
        try:
            self._graph = self._memory.capture(lambda: self._enqueue(self._shapes[IMAGES]))
        except BackendError as error:
            log.warning("no CUDA graph (%s): each run is enqueued by TensorRT", error)
            self._may_capture = False

    def _take_shape(self, name: str, array: Array) -> None:
        """Tell TensorRT a shape where it is another one; a graph of the old shapes is dropped."""
        if array.dtype != self.types[name] or array.nbytes > self._room[name]:
            raise BackendError(
                f"{name} {array.shape} {array.dtype} is larger than the engine's profile, or of"
                " another type: build it again with larger sizes"
            )
        if self._shapes.get(name) == array.shape:
            return
        self._runs = 0
        if self._graph is not None:
            self._memory.forget(self._graph)
            self._graph = None
        self._shapes.pop(name, None)  # unknown, should TensorRT refuse
        taken = self._context.set_input_shape(name, array.shape)
        self._reasons.made(taken, f"could not take {name} {array.shape}")
        self._shapes[name] = array.shape

    def _allocate(self) -> dict[str, int]:
        """Give each tensor a buffer of its largest size, and TensorRT the addresses."""
        made, addresses = self._reasons.made, {}
        for name in self.inputs:
            largest = _sizes(self._engine.get_tensor_profile_shape(name, 0)[2])
            made(self._context.set_input_shape(name, largest), f"could not take {name} {largest}")
            self._room[name] = self._bytes(name, largest)
        for name in self.outputs:
            self._room[name] = self._bytes(name, self._output_shape(name))
        for name, size_bytes in self._room.items():
            addresses[name] = self._memory.allocate(size_bytes)
            bound = self._context.set_tensor_address(name, addresses[name])
            made(bound, f"could not bind {name}")
        return addresses

    def _view(self, name: str) -> Array:
        """Return the pinned bytes of an output as an array of its present shape."""
        shape = self._output_shape(name)
        staged = self._staged[name][: self._bytes(name, shape)]
        return staged.view(self.types[name]).reshape(shape)

    def _output_shape(self, name: str) -> tuple[int, ...]:
        shape = _sizes(self._context.get_tensor_shape(name))
        if any(size < 0 for size in shape):
            raise BackendError(f"the engine does not know the size of {name}: {shape}")
        return shape

    def _bytes(self, name: str, shape: tuple[int, ...]) -> int:
        return math.prod(shape) * np.dtype(self.types[name]).itemsize

    def _names(self) -> list[str]:
        return [self._engine.get_tensor_name(index) for index in range(self._engine.num_io_tensors)]

    def _is_input(self, name: str) -> bool:
        return bool(self._engine.get_tensor_mode(name) == self._mode)

    def _type(self, name: str, what: str) -> TensorType:
        found = str(self._engine.get_tensor_dtype(name))
        if found not in self._known:
            raise EngineRefusedError(
                f"{what}: {name} is {found}, which no graph has: build it again"
            )
        return self._known[found]


def _sizes(dims: trt.Dims) -> tuple[int, ...]:
    return tuple(int(dims[index]) for index in range(len(dims)))
