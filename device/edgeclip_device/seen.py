"""What a detection needs of a classified frame."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from edgeclip.contract.detection import Gate
from edgeclip.contract.preprocess_spec import Box
from edgeclip_device.heads import Classification


@dataclass(frozen=True)
class Seen:
    """One classified frame, as one pack saw it.

    Attributes:
        image: `(H, W, 3)` uint8, RGB, without burned-in strips.
        crop: Where something moved, relative to the image.
        boot_ns: Boot-time clock when it was read.
        read_ns: Monotonic clock at the same moment.
        gate_ms: What the motion gate took.
        shows_person: Whether any pack saw a person in it.
    """

    image: NDArray[np.uint8] = field(repr=False)
    crop: Box | None
    captured_at: datetime | None
    boot_ns: int
    read_ns: int
    gate: Gate
    gate_ms: float
    classification: Classification
    shows_person: bool = False
