"""Stored tensors through a graph, without gradients."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from edgeclip.adapters.class_head import ZeroShot
from edgeclip.adapters.head_graph import HeadOutputs
from edgeclip.adapters.model import Graph, Inputs, threads_for

_ROWS_AT_ONCE = 256  # with tokens of a ViT-B/32: 40 MB


def run_graph(
    graph: Graph, inputs: Inputs, tensors: Mapping[str, NDArray[np.float32]]
) -> HeadOutputs:
    """Return the outputs for n regions.

    Args:
        graph: Fills the slots that the tensors lack.
        inputs: Of n regions.
        tensors: A pack's, by slot.
    """
    slots = {name: torch.from_numpy(np.array(tensor)) for name, tensor in tensors.items()}
    weights = slots["class_weights"]
    bias = slots.get("class_bias", torch.zeros(weights.shape[1]))
    columns = torch.arange(weights.shape[1])
    start = ZeroShot(weights, bias, float(slots["logit_scale"]), columns, len(columns))
    parts = []
    with torch.inference_mode(), threads_for(graph):
        filled = {**graph.neutral(start), **slots}
        for first in range(0, max(len(inputs.f), 1), _ROWS_AT_ONCE):
            rows = slice(first, first + _ROWS_AT_ONCE)
            tokens = None if inputs.tokens is None else inputs.tokens[rows]
            parts.append(graph(Inputs(inputs.z[rows], inputs.f[rows], tokens), filled))
    return HeadOutputs(*(torch.cat(columns) for columns in zip(*parts, strict=True)))
