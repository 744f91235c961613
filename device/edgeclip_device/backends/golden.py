"""A pack's golden frames through a backend: what it computes, against what the exporter did."""

from __future__ import annotations

from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from edgeclip.contract.engine_gate import EngineParity, Outputs, engine_parity
from edgeclip.contract.pack import GOLDEN_FILE
from edgeclip.errors import PackError
from edgeclip_device.backends.base import Backend
from edgeclip_device.packs import LoadedPack


def golden_parity(backend: Backend, pack: LoadedPack, most: int | None = None) -> EngineParity:
    """Return how far a backend lies from the golden outputs, one frame at a time.

    Args:
        backend: With the pack bound.
        pack: The pack.
        most: How many frames at most, spread over all of them; None for all.

    Raises:
        PackError: The golden outputs cannot be read.
        BackendError: The backend failed.
    """
    images, features, probabilities = golden_frames(pack, most)
    results = [backend.run(images[index : index + 1]) for index in range(len(images))]
    found = Outputs(
        np.concatenate([result.image_features for result in results]),
        np.concatenate([result.probabilities for result in results]),
    )
    golden = Outputs(features, probabilities)
    return engine_parity(golden, found, pack.manifest, pack.bundle_manifest.tolerance)


def golden_frames(
    pack: LoadedPack, most: int | None = None
) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32]]:
    """Return a pack's golden frames with their image features and probabilities.

    Args:
        pack: The pack.
        most: How many at most, spread over all of them: the first ones are synthetic,
            the last ones real. None for all.

    Raises:
        PackError: They cannot be read.
    """
    path = pack.folder / GOLDEN_FILE
    try:
        with np.load(path, allow_pickle=False) as arrays:
            count = len(arrays["images"])
            chosen = np.linspace(0, count - 1, min(most or count, count)).round().astype(int)
            images, features, probabilities = (
                arrays[name][chosen] for name in ("images", "image_features", "probabilities")
            )
            return images, features, probabilities
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise PackError(f"{path} cannot be read ({error}): export the bundle again") from error
