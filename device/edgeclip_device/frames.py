"""Frames: what a source gives, and that there is none yet."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Frame:
    """One frame of a camera or clip.

    Attributes:
        image: `(H, W, 3)` uint8, RGB, with the burned-in strips still on it.
        number: Counted from 0 over what the source holds, also over frames that are passed over.
        at_s: Seconds on the source's own clock, which never steps back: for a camera the boot-time
            clock, for a clip its beginning plus number / fps. Cool-downs count on it.
        captured_at: Aware UTC, or None while the wall clock is not to be believed.
        read_ns: `time.monotonic_ns()` when it was read; latencies count from here.
        boot_ns: The boot-time clock at that moment.
        is_new_view: Whether size or light changed with it: the gate begins anew.
    """

    image: NDArray[np.uint8]
    number: int
    at_s: float
    captured_at: datetime | None
    read_ns: int
    boot_ns: int
    is_new_view: bool = False


@dataclass(frozen=True)
class NothingYet:
    """There is no frame now, and no failure: what waits on time goes on.

    Attributes:
        at_s: Seconds now, on the source's own clock.
    """

    at_s: float
