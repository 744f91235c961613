"""Golden outputs of a pack with a column more, out of those of the pack below; no encoder.

The new column changes no feature, and no logit of another column; so its own logits and all
probabilities follow from the features that torch computed for the pack below.
"""

from __future__ import annotations

import numpy as np

from edgeclip.adapters.stored import Tensors
from edgeclip.contract.postprocess import softmax
from edgeclip.packs import Floats, Golden


def wide_golden(golden: Golden, tensors: Tensors) -> Golden:
    """Return golden outputs with a column more, on the same images.

    Args:
        golden: Of the pack below, of K columns.
        tensors: Of the pack to be, of K + 1.
    """
    added = _last_logits(golden.image_features, tensors)
    logits = np.concatenate([golden.logits, added[:, None]], axis=1)
    heat = float(tensors["temperature"][0]) if "temperature" in tensors else 1.0
    probabilities = softmax(logits, heat)
    return Golden(
        golden.images, golden.image_features, golden.base_embedding, logits, probabilities
    )


def _last_logits(features: Floats, tensors: Tensors) -> Floats:
    """Return `(n,)` the logits of the last column, as `adapters.head_graph` has them."""
    found = tensors["logit_scale"] * (features @ tensors["class_weights"][:, -1])
    found = found + tensors["class_bias"][-1]
    if "alpha" in tensors:
        affinity = np.exp(-tensors["beta"] * (1 - features @ tensors["cache_keys"]))
        found = found + tensors["alpha"] * (affinity @ tensors["cache_values"][:, -1])
    return np.asarray(found, np.float32)
