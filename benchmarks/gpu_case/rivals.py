"""The same encoder and head in PyTorch FP16, and in ONNX Runtime where it knows the GPU."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from edgeclip.clip import Backbone
from edgeclip.contract.engine_gate import Outputs
from edgeclip.contract.slots import SLOTS_OF
from edgeclip_export.fuse import FusedModel
from edgeclip_export.ort_graph import load_onnxruntime

CUDA = "CUDAExecutionProvider"
_FEATURES, _PROBABILITIES = "image_features", "probabilities"
_WARM_UPS = 3  # before a capture, on a stream of its own

Images = NDArray[np.uint8]
Slots = Mapping[str, NDArray[np.float32]]


class TorchModel:
    """Encoder and head on the GPU, the tower in FP16 as the first rung has it.

    Args:
        backbone: The encoder.
        slots: A pack's tensors, all of them.
    """

    def __init__(self, backbone: Backbone, slots: Slots) -> None:
        self._model = FusedModel(backbone, "fp16").eval().cuda()
        self._slots = [torch.from_numpy(np.array(slots[name])).cuda() for name in SLOTS_OF["head"]]
        self._wanted = [self._model.outputs.index(name) for name in (_FEATURES, _PROBABILITIES)]

    def compute(self, images: Tensor) -> list[Tensor]:
        """Return features and probabilities of `(B, S, S, 3)` uint8 on the GPU."""
        with torch.inference_mode():
            outputs = self._model(images, *self._slots)
        return [outputs[index] for index in self._wanted]

    def run(self, images: Images) -> Outputs:
        """Return the same from this machine's memory into it."""
        found = self.compute(torch.from_numpy(images).cuda())
        return Outputs(*(tensor.float().cpu().numpy() for tensor in found))


class TorchGraph:
    """One batch size of a `TorchModel` as a CUDA graph: torch without its launches.

    Args:
        model: The model.
        images: A batch of the size.
    """

    def __init__(self, model: TorchModel, images: Images) -> None:
        self._images = torch.from_numpy(images).cuda()
        self._pinned = torch.from_numpy(images).pin_memory()
        aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(_WARM_UPS):
                model.compute(self._images)
        torch.cuda.current_stream().wait_stream(aside)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._found = model.compute(self._images)

    def compute(self) -> None:
        """Compute the batch that lies on the GPU."""
        self._graph.replay()

    def run(self, images: Images) -> Outputs:
        """Return features and probabilities of a batch of the size."""
        self._pinned.copy_(torch.from_numpy(images))
        self._images.copy_(self._pinned, non_blocking=True)
        self._graph.replay()
        return Outputs(*(tensor.float().cpu().numpy() for tensor in self._found))


def onnxruntime_gpu(graph: Path, slots: Slots) -> Callable[[Images], object] | str:
    """Return a graph in ONNX Runtime on the GPU, or why there is none.

    Args:
        graph: Of the bundle.
        slots: A pack's tensors, all of them.
    """
    runtime = load_onnxruntime()
    if CUDA not in runtime.get_available_providers():
        return f"ONNX Runtime {runtime.__version__} here knows no GPU: pip install onnxruntime-gpu"
    session = runtime.InferenceSession(str(graph), providers=[CUDA])
    if CUDA not in session.get_providers():
        return f"ONNX Runtime {runtime.__version__} could not open the GPU: see its log"
    given = {name: np.array(slots[name]) for name in SLOTS_OF["head"]}
    return lambda images: session.run([_FEATURES, _PROBABILITIES], {"images": images, **given})
