"""What a runtime binds to a bundle's graphs: a pack's tensors, or nothing where it is baked in."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from edgeclip.contract.bundle import BundleManifest
from edgeclip.contract.pack import filled_for


def slots_to_bind(
    manifest: BundleManifest, tensors: Mapping[str, NDArray[np.float32]]
) -> dict[str, NDArray[np.float32]]:
    """Return a tensor for every input of a bundle's graphs but the images, by name.

    Args:
        manifest: What `read_bundle` gave.
        tensors: Of one of its packs, float32.

    Raises:
        PackError: They do not fit the graphs.
    """
    return {} if manifest.baked else filled_for(manifest.graph, manifest.base, tensors)
