"""What a bundle is compared with: the same encoder and head as people run them without it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from edgeclip.adapters.head_graph import HeadGraph
from edgeclip.clip import Backbone
from edgeclip.contract.slots import SLOTS_OF
from edgeclip.errors import SetupError
from edgeclip_export.fuse import FusedModel
from edgeclip_export.graph_rules import OPSET
from edgeclip_export.onnx_graph import quiet_exporter
from edgeclip_export.ort_graph import load_onnxruntime

Images = NDArray[np.uint8]
Slots = Mapping[str, NDArray[np.float32]]
Call = Callable[[Images], object]


def torch_eager(backbone: Backbone, slots: Slots) -> Call:
    """Return encoder and head in PyTorch, as they are trained, in FP32."""
    model = FusedModel(backbone, "fp32").eval()
    given = _given(slots)

    def call(images: Images) -> object:
        with torch.inference_mode():
            return model(torch.from_numpy(images), *given)

    return call


def torch_compiled(backbone: Backbone, slots: Slots, example: Images) -> Call:
    """Return the same after `torch.compile`, which needs a C++ compiler.

    Args:
        backbone: The encoder.
        slots: A pack's tensors, all of them.
        example: A batch; it is compiled for this size.

    Raises:
        SetupError: It cannot be compiled here.
    """
    model = torch.compile(FusedModel(backbone, "fp32").eval(), dynamic=False)
    given = _given(slots)

    def call(images: Images) -> object:
        with torch.inference_mode():
            return model(torch.from_numpy(images), *given)

    try:
        call(example)
    except Exception as error:  # its back end raises its own errors, and those of the compiler
        reason = " ".join(str(error).split())[:160]
        raise SetupError(f"torch.compile does not work here ({reason})") from error
    return call


def plain_onnxruntime(backbone: Backbone, slots: Slots, folder: Path, threads: int) -> Call:
    """Return the encoder alone in ONNX Runtime, with pixels in NumPy before and the head after it.

    Args:
        backbone: The encoder.
        slots: A pack's tensors, all of them.
        folder: For the graph, while it is used.
        threads: Of one operator; 0 lets ONNX Runtime choose.

    Raises:
        SetupError: ONNX Runtime is not installed.
    """
    runtime = load_onnxruntime()
    path = folder / "encoder.onnx"
    _export_encoder(backbone, path)
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    mean, std = (
        np.asarray(v, np.float32) for v in (backbone.preprocess.mean, backbone.preprocess.std)
    )
    projection, head, given = backbone.tower.projection.detach(), HeadGraph(), _given(slots)

    def call(images: Images) -> object:
        pixels = ((images.astype(np.float32) / 255 - mean) / std).transpose(0, 3, 1, 2)
        z = torch.from_numpy(session.run(None, {"pixels": np.ascontiguousarray(pixels)})[0])
        with torch.inference_mode():
            return head(z, z @ projection, *given)

    return call


def _export_encoder(backbone: Backbone, path: Path) -> None:
    size = backbone.preprocess.size
    with torch.no_grad(), quiet_exporter():
        torch.onnx.export(
            backbone.tower.visual.eval(), (torch.zeros(2, 3, size, size),), path, dynamo=True,
            opset_version=OPSET, input_names=["pixels"], output_names=["z"],
            dynamic_shapes=({0: torch.export.Dim("batch", min=1)},), verbose=False,
        )  # fmt: skip


def _given(slots: Slots) -> list[Tensor]:
    return [torch.from_numpy(np.array(slots[name])) for name in SLOTS_OF["head"]]
