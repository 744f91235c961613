"""Reading a file of tensors of a pack."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load

from edgeclip.errors import PackError


def read_tensors(path: Path) -> dict[str, NDArray[np.float32]]:
    """Return the tensors of a safetensors file by name; types and shapes are not looked at.

    Raises:
        PackError: The file is missing, or holds none.
    """
    try:
        return dict(load(path.read_bytes()))
    except (OSError, SafetensorError, ValueError) as error:
        raise PackError(f"{path} holds no readable tensors ({error}): copy it again") from error
