"""What torch computes for images with a pack's tensors, by the graph that they need."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from edgeclip.adapters.changed_encoder import changed_encoder
from edgeclip.adapters.deep_graph import DeepModel, DeepOutputs
from edgeclip.adapters.head_graph import HeadOutputs
from edgeclip.adapters.model import run_head
from edgeclip.adapters.threads import one_thread
from edgeclip.contract.pack import filled_for
from edgeclip.contract.slots import adapted_blocks, graph_of

if TYPE_CHECKING:
    from edgeclip.clip import Backbone

_IMAGES_AT_ONCE = 32


def outputs_of(
    images: NDArray[np.uint8], backbone: Backbone, tensors: Mapping[str, NDArray[np.float32]]
) -> HeadOutputs:
    """Return the outputs for images, in float32, the tokens of the lower part not rounded.

    Args:
        images: `(n, S, S, 3)` uint8, RGB.
        backbone: The frozen encoder.
        tensors: A pack's; absent slots are neutral. Those that change the encoder's own weights
            are merged into a copy of it.

    Raises:
        PackError: The tensors do not fit the encoder.
        ConfigError: They reach into blocks of a tower that adapters do not know.
    """
    if graph_of(tensors) == "deep":
        return deep_outputs_of(images, backbone, tensors).head
    backbone, tensors = changed_encoder(backbone, tensors)
    z, f = backbone.embed_images(images)
    return run_head(z.numpy(), f.numpy(), tensors)


def deep_outputs_of(
    images: NDArray[np.uint8], backbone: Backbone, tensors: Mapping[str, NDArray[np.float32]]
) -> DeepOutputs:
    """Return the same with the heat maps, by the graph that reaches into the encoder.

    Args:
        images: `(n, S, S, 3)` uint8, RGB.
        backbone: The frozen encoder.
        tensors: A pack's; absent slots are neutral.

    Raises:
        PackError: The tensors do not fit the encoder.
        ConfigError: They reach into blocks of a tower that adapters do not know.
    """
    backbone, tensors = changed_encoder(backbone, tensors)
    blocks = backbone.base.blocks
    filled = filled_for("deep", backbone.base, tensors)
    lower, upper = backbone.split(blocks - adapted_blocks(blocks))
    slots = {name: torch.from_numpy(np.array(slot)) for name, slot in filled.items()}
    model, parts = DeepModel(upper).eval(), list[DeepOutputs]()
    with torch.inference_mode(), one_thread():
        for first in range(0, len(images), _IMAGES_AT_ONCE):
            tokens = backbone.embed_tokens(images[first : first + _IMAGES_AT_ONCE], lower)
            parts.append(model(tokens, slots))
    heads = zip(*(part.head for part in parts), strict=True)
    attention = torch.cat([part.attention for part in parts])
    return DeepOutputs(HeadOutputs(*(torch.cat(columns) for columns in heads)), attention)
