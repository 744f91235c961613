"""Images as trail cameras write them: JPEG with EXIF times."""

from __future__ import annotations

import struct
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray


def exif_segment(taken: str, offset: str | None = None, order: str = "<") -> bytes:
    """Return a JPEG segment that says when it was taken.

    Args:
        taken: `YYYY:MM:DD HH:MM:SS`.
        offset: `+HH:MM`, where the camera knows one.
        order: `<` Intel, `>` Motorola.
    """
    values = [(0x9003, taken)] + ([(0x9011, offset)] if offset else [])
    head = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(order + "I", 8)
    first = struct.pack(order + "HHHIII", 1, 0x8769, 4, 1, 26, 0)
    at = 26 + 2 + 12 * len(values) + 4
    entries, data = b"", b""
    for tag, value in values:
        raw = value.encode() + b"\0"
        entries += struct.pack(order + "HHII", tag, 2, len(raw), at + len(data))
        data += raw
    folder = struct.pack(order + "H", len(values)) + entries + struct.pack(order + "I", 0) + data
    body = b"Exif\0\0" + head + first + folder
    return b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body


def write_jpeg(path: Path, image: NDArray[np.uint8], taken: str | None = None, **exif: str) -> Path:
    """Write an image, RGB, as a JPEG with the time when it was taken, and return its path."""
    done, encoded = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    assert done
    data = encoded.tobytes()
    segment = exif_segment(taken, **exif) if taken else b""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data[:2] + segment + data[2:])
    return path
