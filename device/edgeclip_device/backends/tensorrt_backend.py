"""TensorRT: runs an engine that was built on this machine, with a pack's tensors as its inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeclip.contract.cuda_memory import CudaMemory
from edgeclip.contract.engine_key import Machine
from edgeclip.contract.engine_runner import IMAGES, EngineRunner
from edgeclip.contract.gpu import Gpu, find_gpu
from edgeclip.contract.hashing import sha256_bytes
from edgeclip.contract.slots import HEAD_OUTPUTS, outputs_of, slots_of
from edgeclip.contract.tensorrt_api import TensorRtApi, load_tensorrt
from edgeclip.errors import BackendError, EngineRefusedError, SetupError
from edgeclip_device.backends.base import Outputs, bound_slots

TENSORRT = TensorRtApi(partial(load_tensorrt, ("tensorrt",)))
"""JetPack's TensorRT, imported at its first use."""


def this_machine(api: Any = TENSORRT, *, find: Callable[[], Gpu | None] = find_gpu) -> Machine:
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


class TensorRtBackend:
    """Runs one engine.

    Args:
        engine: The engine file, which was found to fit this machine.
        precision: Of its sidecar.
        api: TensorRT, or what stands in for it.
        memory: The GPU's memory.
        sha256: Of its bytes, as they were checked; None looks at nothing.

    Raises:
        SetupError: TensorRT or the GPU is missing.
        EngineRefusedError: It is no engine of this TensorRT, or has other inputs than expected.
        BackendError: It cannot be loaded.
    """

    name = "tensorrt"

    def __init__(
        self,
        engine: Path,
        precision: str,
        *,
        api: Any = TENSORRT,
        memory: CudaMemory | None = None,
        sha256: str | None = None,
    ) -> None:
        self.precision = precision
        data = engine.read_bytes()
        if sha256 is not None and sha256_bytes(data) != sha256:
            raise BackendError(f"{engine} was altered after it was checked: build it again")
        self._memory = memory if memory is not None else CudaMemory()
        try:
            self._runner = EngineRunner(data, str(engine), api, self._memory)
            self._slots = slots_of(self._runner.inputs)
            self._check_names(engine)
            self._outputs = [name for name in HEAD_OUTPUTS if name in self._runner.outputs]
        except BaseException:
            self._memory.close()
            raise
        self._is_bound = False

    def bind(self, slots: Mapping[str, NDArray[np.float32]]) -> None:
        """Take a pack's tensors; see `Backend`. No buffer moves, and nothing is loaded again."""
        self._is_bound = False
        self._runner.bind(bound_slots(slots, self._slots))
        self._is_bound = True

    def run(self, images: NDArray[np.uint8]) -> Outputs:
        """Return what the graph computes; see `Backend`."""
        if not self._is_bound:
            raise BackendError("no pack is bound: call bind first")
        batch = np.ascontiguousarray(images, np.uint8)
        results = self._runner.run(batch, self._outputs)
        return Outputs(*(results[name] for name in self._outputs))

    def close(self) -> None:
        """Give memory back."""
        self._runner.close()

    def _check_names(self, path: Path) -> None:
        """Refuse an engine whose inputs and outputs are not the contract's."""
        types = self._runner.types
        expected = {IMAGES, *self._slots, *outputs_of(types)}
        if types.keys() != expected:
            raise EngineRefusedError(
                f"{path} has other inputs or outputs than this software's"
                f" ({', '.join(sorted(types.keys() ^ expected))}): build it again"
            )
        for name, found in types.items():
            wanted = np.uint8 if name == IMAGES else np.float32
            if found is not wanted:
                raise EngineRefusedError(
                    f"{path}: {name} is {found.__name__}, not {wanted.__name__}: build it again"
                )
