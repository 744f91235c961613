"""ONNX Runtime on the CPU: the backend of a desk, and of a device without TensorRT."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeclip.contract.slots import GRAPH_OUTPUTS, HEAD_OUTPUTS, slots_of
from edgeclip.errors import BackendError, SetupError
from edgeclip_device.backends.base import Outputs, bound_slots

_PROVIDER = "CPUExecutionProvider"


def installed_version() -> str:
    """Return the version of ONNX Runtime.

    Raises:
        SetupError: It is not installed.
    """
    return str(_import().__version__)


class OnnxRuntimeBackend:
    """Runs the FP32 graph.

    Args:
        graph: The bundle's graph for ONNX Runtime.
        threads: CPU threads inside one operator.

    Raises:
        SetupError: ONNX Runtime is not installed.
        BackendError: It cannot load the graph.
    """

    name = "onnxruntime"
    precision = "fp32"

    def __init__(self, graph: Path, threads: int) -> None:
        ort = _import()
        self._errors = _error_classes()
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3  # errors; warnings of the optimiser help nobody here
        self._ort = ort
        try:
            self._session = ort.InferenceSession(str(graph), options, providers=[_PROVIDER])
        except self._errors as error:
            raise BackendError(
                f"ONNX Runtime cannot load {graph} ({_first_line(error)}): export the bundle again"
            ) from error
        inputs = [item.name for item in self._session.get_inputs()]
        self._slots = slots_of(inputs)
        self._outputs = self._wanted_outputs(graph)
        self._binding = self._session.io_binding()
        self._kept: list[Any] = []  # ONNX Runtime does not keep the tensors alive
        self._is_bound = False

    def bind(self, slots: Mapping[str, NDArray[np.float32]]) -> None:
        """Take a pack's tensors; see `Backend`."""
        self._is_bound = False
        values = {
            name: self._ort.OrtValue.ortvalue_from_numpy(array)
            for name, array in bound_slots(slots, self._slots).items()
        }
        self._binding.clear_binding_inputs()
        for name, value in values.items():
            self._binding.bind_ortvalue_input(name, value)
        self._kept = list(values.values())
        self._is_bound = True

    def run(self, images: NDArray[np.uint8]) -> Outputs:
        """Return what the graph computes; see `Backend`."""
        if not self._is_bound:
            raise BackendError("no pack is bound: call bind first")
        try:
            self._binding.bind_cpu_input("images", np.ascontiguousarray(images))
            for name in self._outputs:
                self._binding.bind_output(name, "cpu")
            self._session.run_with_iobinding(self._binding)
            arrays = self._binding.copy_outputs_to_cpu()
        except self._errors as error:
            raise BackendError(
                f"ONNX Runtime failed on a batch {images.shape} ({_first_line(error)})"
            ) from error
        return Outputs(*arrays)

    def close(self) -> None:
        """Give memory back."""
        self._binding.clear_binding_inputs()
        self._kept = []

    def _wanted_outputs(self, graph: Path) -> tuple[str, ...]:
        """Return what is asked for: what decides, and the cells' scores where the graph has any."""
        found = {item.name for item in self._session.get_inputs()}
        outputs = {item.name for item in self._session.get_outputs()}
        if found != {"images", *self._slots} or not outputs.issuperset(GRAPH_OUTPUTS):
            raise BackendError(
                f"{graph} has other inputs or outputs than this software's: export it again"
            )
        return tuple(name for name in HEAD_OUTPUTS if name in outputs)


def _import() -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise SetupError(
            "ONNX Runtime is not installed: pip install 'edgeclip[cpu]', or build a TensorRT"
            " engine with `edgeclip-export engine BUNDLE`"
        ) from error
    return onnxruntime


def _error_classes() -> tuple[type[Exception], ...]:
    """Return ONNX Runtime's errors, which share no base class but Exception."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    found = [item for item in vars(state).values() if isinstance(item, type)]
    own = [item for item in found if issubclass(item, Exception)]
    return (*own, RuntimeError, TypeError, ValueError)


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines()
    return lines[0][:200] if lines else type(error).__name__
