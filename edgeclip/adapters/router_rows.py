"""How a pack's router row is made from its own images; needs no torch."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from edgeclip.adapters.left_out import Whence, left_out_distances
from edgeclip.adapters.prototypes import prototypes_of, unit_rows
from edgeclip.contract.routing import RouterRow
from edgeclip.errors import DataError

PROTOTYPES = 8  # of a pack: scenes differ by camera, day and night
QUANTILE = 0.99  # of the distances of its own images, within which a pack has a say
SAMPLES = 64  # kept for a learned gate: 128 KiB a pack of 512 numbers an image

_LEAST_DISTANCE = 1e-3  # of the mean; images of one empty scene are nearly alike


def router_row(
    name: str,
    base: NDArray[np.float32],
    *,
    static: Mapping[str, str] | None = None,
    prototypes: int = PROTOTYPES,
    whence: Whence | None = None,
) -> RouterRow:
    """Return the row of a pack; it depends on the pack's own training images alone.

    Prototypes by spherical k-means from the farthest points, without chance; scale = 1 / mean
    distance to the nearest one, so that a pack of varied images claims less sharply.

    Args:
        name: Of the pack.
        base: `(n, E)` float32 features of its training images before the adapters, of any norm.
        static: What must hold of an image.
        prototypes: At most so many, >= 1.
        whence: Where each image is from; then the row knows how far its places are from each other.

    Raises:
        DataError: There are no images, or an embedding is not finite.
    """
    if not len(base) or not np.isfinite(base).all():
        raise DataError(f"router of {name}: needs finite embeddings of at least one image")
    unit = unit_rows(base.astype(np.float64))
    keys = prototypes_of(unit, min(max(prototypes, 1), len(unit)))
    distances = 1 - (unit @ keys.T).max(axis=1)
    return RouterRow(
        name,
        keys.astype(np.float32),
        scale=1 / max(float(distances.mean()), _LEAST_DISTANCE),
        threshold=min(max(float(np.quantile(distances, QUANTILE)), 0.0), 2.0),
        static=dict(static or {}),
        samples=unit[_spread(len(unit))].astype(np.float32),
        left_out=left_out_distances(unit, whence, prototypes) if whence else None,
    )


def _spread(count: int) -> NDArray[np.int64]:
    """Return indices of at most `SAMPLES` of so many images, evenly over all of them."""
    places = np.linspace(0, count - 1, min(SAMPLES, count)).round()
    return np.asarray(places, np.int64)
