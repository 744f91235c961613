"""A pack's outputs in torch with its cells' scores, from one pass; asked by threads at once."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from edgeclip.adapters.changed_encoder import changed_encoder
from edgeclip.adapters.deep_graph import DeepModel
from edgeclip.adapters.head_graph import HeadOutputs, patch_scores
from edgeclip.adapters.model import run_head
from edgeclip.adapters.threads import one_thread
from edgeclip.cells import cells_of, inner_cells
from edgeclip.contract.pack import filled_for
from edgeclip.contract.slots import adapted_blocks, graph_of

if TYPE_CHECKING:
    from edgeclip.clip import Backbone

Array = NDArray[np.float32]
Images = NDArray[np.uint8]
FeatureReader = Callable[[Images, Array | None], "CellFeatures"]
RunPack = Callable[[Images], "CellOutputs"]
MadeT = TypeVar("MadeT")
_IMAGES_AT_ONCE = 32  # of the deep graph, as in `pack_outputs`


class CellFeatures(NamedTuple):
    """What the encoder says of B images and of their cells, not normalised.

    Attributes:
        z: `(B, D)` float32, before the projection.
        f: `(B, E)` float32, z P.
        cells: `(B, N - 1, E)` float32, projected likewise; of a tower without cells N is 2.
    """

    z: Tensor
    f: Tensor
    cells: Tensor


class CellOutputs(NamedTuple):
    """What a pack says of B images.

    Attributes:
        head: As `pack_outputs.outputs_of` gives it.
        scores: `(B, N - 1, K)` float32, the exported graph's `patch_scores`.
    """

    head: HeadOutputs
    scores: Tensor


class _Own(threading.local, Generic[MadeT]):
    """What each thread makes for itself: a hook on modules that others run would see their images.

    Args:
        make: Called once in each thread.
    """

    def __init__(self, make: Callable[[], MadeT]) -> None:
        self.made = make()


class CellReader:
    """An encoder that tells what it sees in each cell.

    Args:
        backbone: On the CPU; it is not changed. Each thread runs modules of its own that share its
            weights.
    """

    def __init__(self, backbone: Backbone) -> None:
        self._own = _Own(lambda: _feature_reader(sharing_weights(backbone)))

    def __call__(self, images: Images, projection_delta: Array | None = None) -> CellFeatures:
        """Return what is seen.

        Args:
            images: `(B, S, S, 3)` uint8, RGB.
            projection_delta: `(D, E)` that a pack adds to the cells' projection; f stays without.
        """
        return self._own.made(images, projection_delta)


class PackCells:
    """A pack on its encoder, with the scores of its cells.

    Args:
        backbone: The frozen encoder, on the CPU.
        tensors: The pack's; what changes the encoder's weights is merged into a copy of it.

    Raises:
        PackError: The tensors do not fit the encoder.
        ConfigError: They reach into blocks of a tower that adapters do not know.
    """

    def __init__(self, backbone: Backbone, tensors: Mapping[str, Array]) -> None:
        encoder, slots = changed_encoder(backbone, tensors)
        make = _deep_pack if graph_of(tensors) == "deep" else _head_pack
        self._own = _Own(lambda: make(sharing_weights(encoder), slots))

    def __call__(self, images: Images) -> CellOutputs:
        """Return what the pack says.

        Args:
            images: `(B, S, S, 3)` uint8, RGB.
        """
        return self._own.made(images)


def sharing_weights(backbone: Backbone) -> Backbone:
    """Return the encoder with an image tower of modules of its own and the very same weights."""
    tower = backbone.tower
    shared = {id(tensor): tensor for tensor in (*tower.parameters(), *tower.buffers())}
    return replace(backbone, tower=copy.deepcopy(tower, shared))


def _feature_reader(backbone: Backbone) -> FeatureReader:
    visual, projection = backbone.tower.visual, backbone.tower.projection
    cells_of_tower = cells_of(visual)

    def read(images: Images, delta: Array | None) -> CellFeatures:
        with torch.inference_mode():
            z, cells = cells_of_tower(visual, backbone.pixels(images))
            matrix = projection if delta is None else projection + torch.from_numpy(delta)
            return CellFeatures(z.clone(), (z @ projection).clone(), cells @ matrix)

    return read


def _head_pack(backbone: Backbone, slots: Mapping[str, Array]) -> RunPack:
    read, weights = _feature_reader(backbone), torch.from_numpy(np.array(slots["class_weights"]))

    def run(images: Images) -> CellOutputs:
        z, f, cells = read(images, slots.get("projection_delta"))
        head = run_head(z.numpy(), f.numpy(), slots)
        return CellOutputs(head, patch_scores(cells, weights))

    return run


def _deep_pack(backbone: Backbone, slots: Mapping[str, Array]) -> RunPack:
    """Return a pack that reaches into the encoder; the cells pass the adapted blocks, too."""
    blocks, visual = backbone.base.blocks, backbone.tower.visual
    filled = filled_for("deep", backbone.base, slots)
    tensors = {name: torch.from_numpy(np.array(slot)) for name, slot in filled.items()}
    matrix = backbone.tower.projection + tensors["projection_delta"]
    lower, upper = backbone.split(blocks - adapted_blocks(blocks))
    inner, model = inner_cells(visual), DeepModel(upper).eval()

    def few(images: Images) -> CellOutputs:
        tokens = backbone.embed_tokens(images, lower)
        pooled, cells = inner.beside(visual, lambda: model.pooled(tokens, tensors))
        scores = patch_scores(cells @ matrix, tensors["class_weights"])
        return CellOutputs(model.decided(pooled, tensors).head, scores)

    def run(images: Images) -> CellOutputs:
        with torch.inference_mode(), one_thread():
            first = range(0, len(images), _IMAGES_AT_ONCE)
            parts = [few(images[start : start + _IMAGES_AT_ONCE]) for start in first]
        heads = zip(*(part.head for part in parts), strict=True)
        head = HeadOutputs(*(torch.cat(columns) for columns in heads))
        return CellOutputs(head, torch.cat([part.scores for part in parts]))

    return run
