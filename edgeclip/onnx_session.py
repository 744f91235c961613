"""A bundle's FP32 graph in ONNX Runtime, on the CPU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeclip.contract.bundle import BundleManifest
from edgeclip.errors import BackendError, SetupError

Slots = Mapping[str, NDArray[np.float32]]


class OnnxSession:
    """A graph, loaded.

    Args:
        bundle: Its folder.
        manifest: What `read_bundle` gave.
        threads: Of one operator; 0 lets ONNX Runtime choose.
        at_once: Images of one call at most; more are several calls.

    Attributes:
        outputs: Names of what the graph gives.

    Raises:
        SetupError: ONNX Runtime is not installed.
        BackendError: It cannot load the graph.
    """

    def __init__(
        self, bundle: Path, manifest: BundleManifest, *, threads: int, at_once: int
    ) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise SetupError(
                "ONNX Runtime is not installed: pip install 'edgeclip[cpu]'"
            ) from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = 3
        path = bundle / manifest.graph_for("onnxruntime").file
        try:
            self._session: Any = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime's errors share no base class
            raise BackendError(f"ONNX Runtime cannot load {path}: export the bundle again") from (
                error
            )
        self._at_once = at_once
        self.outputs = [item.name for item in self._session.get_outputs()]

    def run(
        self, wanted: Sequence[str], images: NDArray[np.uint8], slots: Slots
    ) -> list[NDArray[np.float32]]:
        """Return some of the graph's outputs for images.

        Args:
            wanted: Names.
            images: `(B, S, S, 3)` uint8, RGB, B >= 1.
            slots: All that the graph takes beside; nothing where a pack is baked in.

        Raises:
            BackendError: The graph refuses the inputs, or fails.
        """
        firsts = range(0, len(images), self._at_once)
        calls = [self._call(wanted, images[n : n + self._at_once], slots) for n in firsts]
        return [np.concatenate(parts) for parts in zip(*calls, strict=True)]

    def _call(
        self, wanted: Sequence[str], images: NDArray[np.uint8], slots: Slots
    ) -> list[NDArray[np.float32]]:
        try:
            found = self._session.run(list(wanted), {"images": images, **slots})
        except Exception as error:  # ONNX Runtime's errors share no base class
            said = (str(error).splitlines() or [type(error).__name__])[0][:200]
            raise BackendError(f"ONNX Runtime failed on a batch {images.shape} ({said})") from error
        return [np.asarray(each, np.float32) for each in found]
