"""Frozen features of regions: computed once, cached by what they depend on."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgeclip.contract.hashing import sha256_bytes
from edgeclip.contract.preprocess_spec import PreprocessSpec
from edgeclip.errors import DataError
from edgeclip.feature_cache import FeatureCache
from edgeclip.labels.dataset import LabelledImage
from edgeclip.labels.scan import read_image_file
from edgeclip.regions import VIEWS_VERSION, Region, Strips
from edgeclip.stored_image import StoredImage
from edgeclip.token_cache import TokenRows

if TYPE_CHECKING:
    from torch import Tensor

    from edgeclip.changed_features import ChangedRows
    from edgeclip.clip import Backbone

_BATCH = 32
_IMAGES_AT_ONCE = 32  # decoded together; bounds the memory and what an interruption loses
_THREADS = 2


@dataclass(frozen=True)
class Features:
    """What the frozen encoder says of n regions.

    Attributes:
        z: `(n, D)` float32, before the visual projection.
        f: `(n, E)` float32, f = zP, not normalised.
        tokens: Of the tower's lower part, where adapters reach into the upper one; or features of
            an encoder that an earlier pack changed; else None.
    """

    z: NDArray[np.float32]
    f: NDArray[np.float32]
    tokens: TokenRows | ChangedRows | None = None

    def rows(self, indices: Sequence[int]) -> Features:
        """Return the features of some regions."""
        chosen = np.asarray(indices, np.int64)
        tokens = None if self.tokens is None else self.tokens[chosen]
        return Features(self.z[chosen], self.f[chosen], tokens)


def cache_folder(root: Path | None, weights_sha256: str) -> Path | None:
    """Return where a backbone's features lie below a cache's root, or None without a cache."""
    return None if root is None else root / weights_sha256[:16]


def feature_key(
    image_sha256: str, region: Region, spec: PreprocessSpec, weights_sha256: str, strips: Strips
) -> str:
    """Return the hash of all that a region's features depend on; never of a path."""
    content = [
        image_sha256,
        region.box,
        region.view,
        VIEWS_VERSION,
        asdict(strips),
        spec.model_dump(mode="json"),
        weights_sha256,
    ]
    return sha256_bytes(json.dumps(content).encode())


def encode_regions(
    images: Sequence[LabelledImage],
    regions: Sequence[Region],
    backbone: Backbone,
    *,
    cache: FeatureCache,
    strips: Strips,
    advance: Callable[[int], None] = lambda _: None,
) -> Features:
    """Return the features of regions, in order; what the cache lacks is computed and stored.

    Args:
        images: What the regions point into.
        regions: In any order.
        backbone: The frozen encoder.
        cache: Where features are looked up and stored.
        strips: Rows to cut from each frame.
        advance: Called with the number of regions done.

    Raises:
        DataError: An image changed since it was scanned, or cannot be decoded.
    """
    spec, weights = backbone.preprocess, backbone.computed_by
    keys = [feature_key(images[r.image].facts.sha256, r, spec, weights, strips) for r in regions]
    rows = [cache.get(key) for key in keys]
    missing = [position for position, row in enumerate(rows) if row is None]
    advance(len(regions) - len(missing))
    reading = Reading(images, regions, spec, strips)
    for positions, inputs in reading.chunks(missing):
        z, f = embedded(backbone.embed_images, inputs)
        cache.put([keys[position] for position in positions], z, f)
        for offset, position in enumerate(positions):
            rows[position] = z[offset], f[offset]
        advance(len(positions))
    return _stacked(rows, backbone)


@dataclass(frozen=True)
class Reading:
    """Regions of image files -> inputs of the encoder, some images at a time.

    Attributes:
        images: What the regions point into.
        regions: In any order.
        spec: Of the encoder.
        strips: Rows to cut from each frame.
    """

    images: Sequence[LabelledImage]
    regions: Sequence[Region]
    spec: PreprocessSpec
    strips: Strips

    def chunks(self, wanted: Sequence[int]) -> Iterator[tuple[list[int], NDArray[np.uint8]]]:
        """Yield positions of regions, all of an image together, with their inputs.

        Args:
            wanted: Positions in `regions`.

        Yields:
            Positions, and `(n, S, S, 3)` uint8, RGB.

        Raises:
            DataError: An image changed since it was scanned, or cannot be decoded.
        """
        of_image: dict[int, list[int]] = defaultdict(list)
        for position in wanted:
            of_image[self.regions[position].image].append(position)

        def read(index: int) -> list[NDArray[np.uint8]]:
            own = [self.regions[position] for position in of_image[index]]
            return _inputs(self.images[index], own, self.spec, self.strips)

        order = list(of_image)
        with ThreadPoolExecutor(_THREADS) as pool:
            for start in range(0, len(order), _IMAGES_AT_ONCE):
                chunk = order[start : start + _IMAGES_AT_ONCE]
                inputs = [pixels for group in pool.map(read, chunk) for pixels in group]
                yield (
                    [position for index in chunk for position in of_image[index]],
                    np.stack(inputs),
                )


def _inputs(
    image: LabelledImage, regions: Sequence[Region], spec: PreprocessSpec, strips: Strips
) -> list[NDArray[np.uint8]]:
    data = read_image_file(image.path)
    if sha256_bytes(data) != image.facts.sha256:
        raise DataError(f"{image.path} changed while it was used: run the command again")
    try:
        facts = image.facts
        stored = StoredImage(data, (facts.height, facts.width), spec, strips)
        return [stored.input(region, facts.sha256) for region in regions]
    except DataError as error:
        raise DataError(f"{image.path}: {error}") from error


def embedded(
    embed: Callable[[NDArray[np.uint8]], tuple[Tensor, ...]], inputs: NDArray[np.uint8]
) -> tuple[NDArray[np.float32], ...]:
    """Return what an encoder says of many inputs, computed batch by batch.

    Args:
        embed: `(B, S, S, 3)` uint8 -> float32 tensors whose rows are of the inputs.
        inputs: `(n, S, S, 3)` uint8, RGB.
    """
    parts = [embed(inputs[start : start + _BATCH]) for start in range(0, len(inputs), _BATCH)]
    return tuple(
        np.concatenate([side.numpy() for side in sides]) for sides in zip(*parts, strict=True)
    )


def _stacked(
    rows: Sequence[tuple[NDArray[np.float32], NDArray[np.float32]] | None], backbone: Backbone
) -> Features:
    found = [row for row in rows if row is not None]
    if not found:
        base = backbone.base
        return Features(
            np.zeros((0, base.width), np.float32), np.zeros((0, base.embed_dim), np.float32)
        )
    return Features(np.stack([z for z, _ in found]), np.stack([f for _, f in found]))
