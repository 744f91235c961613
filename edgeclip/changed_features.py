"""The head graph on features of a changed encoder, beside those of the frozen one.

A training on top of a pack that changed the encoder's weights looks at the images through both:
zero-shot is what the frozen encoder says, the model is what the changed one says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from edgeclip.adapters.head_graph import HeadOutputs
from edgeclip.adapters.model import FeatureGraph, Inputs
from edgeclip.contract.deltas import changes_weights, split_deltas
from edgeclip.feature_cache import FeatureCache
from edgeclip.features import Features, encode_regions
from edgeclip.labels.dataset import LabelledImage
from edgeclip.regions import Region, Strips

if TYPE_CHECKING:
    from edgeclip.clip import Backbone


@dataclass(frozen=True)
class ChangedRows:
    """z and f of a changed encoder, which stand where tokens do.

    Attributes:
        values: `(n, D + E)` float32.
    """

    values: NDArray[np.float32]

    def __len__(self) -> int:
        """Return n."""
        return len(self.values)

    def __getitem__(self, chosen: slice | NDArray[np.int64]) -> ChangedRows:
        """Return some of the rows."""
        return ChangedRows(self.values[chosen])

    def array(self) -> NDArray[np.float32]:
        """Return the rows."""
        return self.values


class ChangedFeatureGraph(FeatureGraph):
    """`FeatureGraph` that takes the changed encoder's features where there are deltas.

    The deltas themselves are not looked at: they must be those that the features were made with.
    """

    def takes(self, slot: str) -> bool:
        """Return whether it is a slot of the head, or a change of the encoder's weights."""
        return super().takes(slot) or changes_weights([slot])

    def __call__(self, inputs: Inputs, slots: Mapping[str, Tensor]) -> HeadOutputs:
        """Return the outputs.

        Raises:
            ValueError: There are deltas and no features of the changed encoder.
        """
        head, deltas = split_deltas(slots)
        if not deltas:
            return super().__call__(inputs, head)
        rows, width = inputs.tokens, inputs.z.shape[1]
        if rows is None:
            raise ValueError("the features of the changed encoder are missing")
        values = rows if isinstance(rows, Tensor) else torch.from_numpy(rows.array()).float()
        return super().__call__(Inputs(values[:, :width], values[:, width:]), head)


def encode_changed(  # noqa: PLR0913 - what both encoders are given alike
    images: Sequence[LabelledImage],
    regions: Sequence[Region],
    changed: Backbone,
    found: Features,
    *,
    cache: FeatureCache,
    strips: Strips,
    advance: Callable[[int], None] = lambda _: None,
) -> Features:
    """Return the frozen encoder's features of regions with those of a changed one beside them.

    Args:
        images: What the regions point into.
        regions: In any order.
        changed: What `changed_encoder` gave.
        found: The frozen encoder's features of the same regions.
        cache: Where features are looked up and stored; a changed encoder's have keys of their own.
        strips: Rows to cut from each frame.
        advance: Called with the number of regions done.

    Raises:
        DataError: An image changed since it was scanned, or cannot be decoded.
    """
    own = encode_regions(images, regions, changed, cache=cache, strips=strips, advance=advance)
    return Features(found.z, found.f, ChangedRows(np.concatenate([own.z, own.f], axis=1)))
