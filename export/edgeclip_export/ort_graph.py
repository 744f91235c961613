"""Run a bundle's FP32 graph with ONNX Runtime: the one import of onnxruntime in the exporter.

The FP16 graph never runs here: ONNX Runtime's CPU provider crashes while loading it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from edgeclip.errors import BackendError, SetupError

_IMAGES_A_CALL = 4  # the default profile's largest batch; more only costs memory


def load_onnxruntime() -> ModuleType:
    """Return ONNX Runtime's module.

    Raises:
        SetupError: It is not installed.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise SetupError(
            "onnxruntime is not installed, and checks the graph: pip install 'edgeclip[cpu]'"
        ) from error
    module: ModuleType = onnxruntime
    return module


class OrtGraph:
    """A graph in ONNX Runtime, on the CPU.

    Args:
        path: The ONNX file, FP32.
        threads: Of one operator; 0 lets ONNX Runtime choose.
        most_images: Of one call; more are computed one after the other.

    Attributes:
        is_baked: Whether a pack is in it, so that it takes nothing but images.

    Raises:
        SetupError: ONNX Runtime is not installed.
        BackendError: It cannot load the graph.
    """

    def __init__(self, path: Path, *, threads: int = 0, most_images: int = _IMAGES_A_CALL) -> None:
        runtime = load_onnxruntime()
        state = runtime.capi.onnxruntime_pybind11_state
        self._errors = (  # its exceptions have no common base of their own
            RuntimeError,
            ValueError,
            state.Fail,
            state.InvalidArgument,
            state.InvalidGraph,
            state.InvalidProtobuf,
            state.NoSuchFile,
            state.NotImplemented,
            state.RuntimeException,
        )
        self._path, self._most_images = path, most_images
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3  # errors; they are raised as well
        try:
            self._session = runtime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except self._errors as error:
            raise BackendError(f"ONNX Runtime cannot load {path} ({_short(error)})") from error
        self._outputs = [port.name for port in self._session.get_outputs()]
        self.is_baked = [port.name for port in self._session.get_inputs()] == ["images"]

    def run(
        self, images: NDArray[np.uint8], slots: Mapping[str, NDArray[np.float32]]
    ) -> dict[str, NDArray[np.float32]]:
        """Return the graph's outputs by name.

        Args:
            images: `(B, S, S, 3)` uint8, RGB; B of any size.
            slots: What `contract.slots.filled_slots` gave; not looked at where a pack is baked in.

        Raises:
            BackendError: The graph refuses the inputs, or fails.
        """
        bound = {} if self.is_baked else slots
        parts = []
        for start in range(0, len(images), self._most_images):
            batch = images[start : start + self._most_images]
            try:
                parts.append(self._session.run(self._outputs, {"images": batch, **bound}))
            except self._errors as error:
                raise BackendError(
                    f"ONNX Runtime cannot run {self._path} on {len(batch)} images of"
                    f" {batch.shape[1:]} ({_short(error)})"
                ) from error
        columns = zip(*parts, strict=True)
        return {
            name: np.concatenate(column)
            for name, column in zip(self._outputs, columns, strict=True)
        }


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
