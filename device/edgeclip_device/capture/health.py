"""How well a camera does: frames a second, stalls, reopenings, and one word for it all."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Literal

from edgeclip_device.capture.faults import FaultCode

Quality = Literal["excellent", "fair", "poor", "unusable"]

_HOUR_S = 3600.0
_RATE_OVER_S = 60.0
_SAMPLE_EVERY_S = 2.0


@dataclass(frozen=True)
class CameraReport:
    """What the health message says of one camera; what is not known is None.

    Attributes:
        fps: Frames a second that the driver gave in the last minute.
        expected_fps: What it should give.
        frame_age_s: Since the driver's last frame.
        stalls_1h: Gaps between frames in the last hour: of 1 s and 5 frames at least.
        reopens_1h: How often it was opened anew in the last hour.
        quality: excellent, fair, poor or unusable.
        fault: What is wrong now.
        size: Height and width, px.
        is_infrared: Whether the light is infrared now.
        infrared_switches: Since the start.
        size_changes: Since the start.
        left_behind: Capture processes that not even SIGKILL ended: stuck in a driver.
    """

    fps: float | None
    expected_fps: float | None
    frame_age_s: float | None
    stalls_1h: int
    reopens_1h: int
    quality: Quality
    fault: FaultCode | None
    size: tuple[int, int] | None
    is_infrared: bool | None
    infrared_switches: int
    size_changes: int
    left_behind: int


class LastHour:
    """Counts what happened within an hour."""

    def __init__(self) -> None:
        self._at_s: deque[float] = deque(maxlen=10_000)

    def add(self, now_s: float, count: int = 1) -> None:
        """Note that it happened."""
        self._at_s.extend([now_s] * count)

    def count(self, now_s: float) -> int:
        """Return how often it did, and forget what is older."""
        while self._at_s and now_s - self._at_s[0] > _HOUR_S:
            self._at_s.popleft()
        return len(self._at_s)


class Rate:
    """Frames a second over the last minute, from a counter."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque()

    def sample(self, now_s: float, total: int) -> None:
        """Note how many there are by now; a counter that fell back began anew."""
        if self._samples and total < self._samples[-1][1]:
            self._samples.clear()
        if not self._samples or now_s - self._samples[-1][0] >= _SAMPLE_EVERY_S:
            self._samples.append((now_s, total))
        while len(self._samples) > 2 and now_s - self._samples[0][0] > _RATE_OVER_S:
            self._samples.popleft()

    def per_s(self, now_s: float, total: int) -> float | None:
        """Return the rate up to now; None before there is anything to tell it from."""
        if not self._samples:
            return None
        at_s, before = self._samples[0]
        return (total - before) / (now_s - at_s) if now_s - at_s >= _SAMPLE_EVERY_S else None


def quality(fps: float | None, expected_fps: float | None, stalls: int, reopens: int) -> Quality:
    """Return one word for a camera's last hour, by Frigate's figures.

    Args:
        fps: Measured.
        expected_fps: What it should be; unknown counts as met.
        stalls: In the last hour.
        reopens: In the last hour.
    """
    share = fps / expected_fps if fps is not None and expected_fps else 1.0
    if reopens > 10 or stalls > 100:
        return "unusable"
    if reopens == 0 and share >= 0.9 and stalls < 5:
        return "excellent"
    if reopens <= 2 and share >= 0.6:
        return "fair"
    return "poor"
