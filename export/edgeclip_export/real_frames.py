"""Real frames for the gates, from a folder of images: beside the golden ones of a pack."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgeclip.contract.preprocess_spec import PreprocessSpec
from edgeclip.errors import ConfigError, DataError

WANTED = 32
"""So many are taken of a folder, spread over it: each is computed several times."""

_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})
SYNTHETIC_GOLDEN = 6
"""A pack's first frames: black, white, noise, grey, saturated colours, a slope of grey."""


def real_frames(folder: Path, spec: PreprocessSpec) -> NDArray[np.uint8]:
    """Return images of a folder as the encoder takes them.

    Args:
        folder: Searched through all of its folders; in the order of the paths.
        spec: The pack's preprocessing.

    Returns:
        `(n, S, S, 3)` uint8, RGB; n is `WANTED`, or as many as can be read.

    Raises:
        ConfigError: There is no such folder, or no image in it that can be read.
    """
    from edgeclip.contract.preprocess import decode_image, prepare  # OpenCV: only where asked

    if not folder.is_dir():
        raise ConfigError(f"--verify-images {folder} is no folder: name one with images")
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES)
    frames: list[NDArray[np.uint8]] = []
    for path in _spread(paths):
        try:
            frames.append(prepare(decode_image(path.read_bytes()), spec))
        except (DataError, OSError):
            continue  # the next one will do
        if len(frames) == WANTED:
            break
    if not frames:
        raise ConfigError(f"--verify-images {folder} holds no image that can be read: name another")
    return np.stack(frames)


def enough_note(golden: int, frames: int) -> str:
    """Return how many frames are compared, and what would make it more.

    Args:
        golden: Frames of the pack, synthetic ones too.
        frames: Of a folder.
    """
    real = max(0, golden - SYNTHETIC_GOLDEN) + frames
    note = f"{real} real, {SYNTHETIC_GOLDEN} synthetic of the pack, and 4 more synthetic"
    if real < WANTED:
        note += f"; --verify-images FOLDER makes it {WANTED} real ones or more"
    return note


def _spread(paths: list[Path]) -> list[Path]:
    """Return all paths, first those that lie evenly over the list: neighbours show one scene."""
    step = max(1, len(paths) // WANTED)
    return [path for start in range(step) for path in paths[start::step]]
