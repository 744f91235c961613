"""A graph apart from its large tensors, which are put into it, into a file, or shared by graphs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from edgeclip_export.nodes import cast_node, replace_nodes
from edgeclip_export.weight_file import WeightFile

LEAST_BYTES = 1024  # smaller tensors stay in the graph, where a reader sees their values


class Values(Protocol):
    """A tensor of the exporter."""

    def numpy(self) -> NDArray[np.generic]:
        """Return its values, a copy where they lie elsewhere."""


@dataclass(frozen=True)
class ExportedGraph:
    """A graph without its large tensors, and these beside it.

    Attributes:
        proto: Each large tensor has type and shape, but no values.
        tensors: By the initializer's name.
    """

    proto: onnx.ModelProto
    tensors: Mapping[str, Values]

    def stored(self, file: WeightFile) -> onnx.ModelProto:
        """Return the graph with its large tensors in a file.

        Args:
            file: To which they are written, unless they are there.

        Raises:
            OSError: The disk is full.
        """
        return self._with_tensors(file.place)

    def stored_in_half(self, file: WeightFile) -> onnx.ModelProto:
        """Return the single precision graph with those tensors that another graph shares in half.

        A tensor is shared if its FP16 values are in the file. A Cast brings it back to FP32, which
        a runtime does once, while it loads. Vectors are small and stay in FP32.

        Args:
            file: In which the tensors of the half precision graph lie.

        Raises:
            OSError: The disk is full.
        """
        casts: list[onnx.NodeProto] = []

        def place(tensor: onnx.TensorProto, array: NDArray[np.generic]) -> None:
            is_shared = _is_matrix(array) and file.has(half := array.astype(np.float16))
            file.place(tensor, half if is_shared else array)
            if is_shared:
                name = tensor.name
                casts.append(cast_node(name, f"{name}.fp32", onnx.TensorProto.FLOAT))

        model = self._with_tensors(place)
        _read_through(model.graph, casts)
        return model

    def inlined(self) -> onnx.ModelProto:
        """Return the graph with all tensors inside."""

        def place(tensor: onnx.TensorProto, array: NDArray[np.generic]) -> None:
            tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))

        return self._with_tensors(place)

    def _with_tensors(
        self, place: Callable[[onnx.TensorProto, NDArray[np.generic]], None]
    ) -> onnx.ModelProto:
        model = onnx.ModelProto()
        model.CopyFrom(self.proto)
        for tensor in model.graph.initializer:
            if tensor.name in self.tensors:
                place(tensor, self.tensors[tensor.name].numpy())
        return model


def _is_matrix(array: NDArray[np.generic]) -> bool:
    return array.dtype == np.float32 and sum(size > 1 for size in array.shape) > 1


def _read_through(graph: onnx.GraphProto, casts: list[onnx.NodeProto]) -> None:
    """Put casts of weights before all nodes, which then read what they give."""
    given = {cast.input[0]: cast.output[0] for cast in casts}
    for node in graph.node:
        for index, name in enumerate(node.input):
            node.input[index] = given.get(name, name)
    replace_nodes(graph, [*casts, *graph.node])
