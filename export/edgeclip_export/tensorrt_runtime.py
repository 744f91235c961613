"""The installed TensorRT as the exporter sees it: the accessor, and the machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeclip.contract.engine_key import Machine, Runtime
from edgeclip.contract.gpu import find_gpu
from edgeclip.contract.tensorrt_api import TensorRtApi

if TYPE_CHECKING:
    import tensorrt as trt  # type: ignore[import-not-found, unused-ignore]  # stubs may be absent
else:
    trt = TensorRtApi()

__all__ = ["module_name", "this_machine", "trt"]


def module_name() -> str:
    """Return which runtime is installed: `tensorrt` or `tensorrt_rtx`.

    Raises:
        SetupError: None is.
    """
    name: str = trt.module_name  # type: ignore[attr-defined, unused-ignore]  # the accessor's own
    return name


def this_machine() -> Machine:
    """Return the runtime and GPU here, which bind an engine.

    Raises:
        SetupError: No TensorRT is installed.
    """
    runtime: Runtime = "tensorrt_rtx" if module_name() == "tensorrt_rtx" else "tensorrt"
    return Machine.of(runtime, trt.__version__, find_gpu())
