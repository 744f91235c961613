"""Reading a file of tensors of a bundle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from safetensors import SafetensorError

from edgeclip.errors import PackError


def read_tensors(path: Path) -> dict[str, NDArray[np.float32]]:
    """Return the tensors of a safetensors file by name; types and shapes are not looked at.

    Raises:
        PackError: The file is missing, or holds none.
    """
    try:
        return dict(safetensors.numpy.load_file(path))
    except (OSError, SafetensorError) as error:
        raise PackError(f"{path} cannot be read ({error}): copy the bundle again") from error
