"""Features with the tokens of the tower's lower part: one pass over what no cache holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgeclip.contract.hashing import sha256_bytes
from edgeclip.feature_cache import FeatureCache
from edgeclip.features import Features, Reading, embedded, encode_regions, feature_key
from edgeclip.labels.dataset import LabelledImage
from edgeclip.regions import Region, Strips
from edgeclip.token_cache import TokenCache
from edgeclip.towers import features_above, split_at

if TYPE_CHECKING:
    from torch import Tensor

    from edgeclip.clip import Backbone

_TOKENS_VERSION = 1  # raise it when the lower part computes something else


@dataclass(frozen=True)
class TokenLevel:
    """Which tokens are wanted, and where they and the features are looked up and stored.

    Attributes:
        cut: How many blocks, of a ResNet stages, lie below the tokens, see `towers`; None: the
            pixels stand in their place.
        features: Of z and f.
        tokens: Of the tokens.
    """

    cut: int | None
    features: FeatureCache
    tokens: TokenCache


def token_key(feature: str, cut: int | None) -> str:
    """Return the key of a region's tokens.

    Args:
        feature: `feature_key` of the region: content, box, view, preprocessing, weights.
        cut: Blocks of the lower part; None for pixels.
    """
    return sha256_bytes(f"{feature} cut@{cut} float16 {_TOKENS_VERSION}".encode())


def encode_with_tokens(
    images: Sequence[LabelledImage],
    regions: Sequence[Region],
    backbone: Backbone,
    *,
    level: TokenLevel,
    strips: Strips,
    advance: Callable[[int], None] = lambda _: None,
) -> Features:
    """Return features and tokens of regions, in order; what the caches lack is computed and stored.

    Args:
        images: What the regions point into.
        regions: In any order.
        backbone: The frozen encoder.
        level: Which tokens, and the level.
        strips: Rows to cut from each frame.
        advance: Called with the number of regions done.

    Raises:
        ConfigError: Adapters do not know this tower's blocks.
        DataError: An image changed or cannot be decoded; or the tokens do not fit the limit.
    """
    lower, upper = split_at(backbone.tower, level.cut)
    spec, weights = backbone.preprocess, backbone.computed_by
    known = [feature_key(images[r.image].facts.sha256, r, spec, weights, strips) for r in regions]
    keys = [token_key(key, level.cut) for key in known]
    missing = [position for position, key in enumerate(keys) if not level.tokens.has(key)]
    advance(len(regions) - len(missing))

    def embed(inputs: NDArray[np.uint8]) -> tuple[Tensor, ...]:
        tokens = backbone.embed_tokens(inputs, lower)
        return (tokens, *features_above(upper, tokens))

    for positions, inputs in Reading(images, regions, spec, strips).chunks(missing):
        tokens, z, f = embedded(embed, inputs)
        level.tokens.put([keys[position] for position in positions], tokens)
        level.features.put([known[position] for position in positions], z, f)
        advance(len(positions))
    found = encode_regions(images, regions, backbone, cache=level.features, strips=strips)
    return Features(found.z, found.f, level.tokens.rows(keys))
