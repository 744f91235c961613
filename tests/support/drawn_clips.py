"""Small drawn clips and images: green ground, and a red blob that crosses, stands or is absent."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

SIZE = (240, 320)
FPS = 10.0
GREEN = (70, 80, 60)
RED = (250, 110, 110)  # also brighter than the ground, for backgrounds that see only grey


def ground(seed: int = 0, size: tuple[int, int] = SIZE) -> NDArray[np.uint8]:
    """Return grainy green ground: `(H, W, 3)` uint8, RGB."""
    grain = np.random.default_rng(seed).integers(0, 20, (*size, 3))
    return np.asarray(np.clip(grain + np.array(GREEN), 0, 255), np.uint8)


def with_blob(image: NDArray[np.uint8], x: int, y: int = 140) -> NDArray[np.uint8]:
    """Return a copy with a red blob, 90 x 76 px, around a point."""
    copy = np.ascontiguousarray(image)
    return np.asarray(cv2.ellipse(copy.copy(), (x, y), (45, 38), 0, 0, 360, RED, -1), np.uint8)


def crossing(frames: int = 120, enter: int = 30, leave: int = 90) -> list[NDArray[np.uint8]]:
    """Return frames in which the blob crosses between two frame numbers."""
    still = ground()
    return [
        with_blob(still, 40 + 4 * (i - enter)) if enter <= i < leave else still
        for i in range(frames)
    ]


def write_video(
    path: Path, frames: list[NDArray[np.uint8]], fps: float = FPS, codec: str = "mp4v"
) -> Path:
    """Write frames, RGB, as a video, and return its path."""
    height, width = frames[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), fps, (width, height))
    for frame in frames:
        writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    writer.release()
    return path


def write_image(path: Path, image: NDArray[np.uint8]) -> Path:
    """Write one image, RGB, and return its path."""
    cv2.imwrite(str(path), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    return path
