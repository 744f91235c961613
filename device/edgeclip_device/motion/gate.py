"""The motion gate: which frames are worth a classification, and where in them to look.

It looks at the largest connected change, not at the changed area: in the wind much changes a
little. It errs on the side of opening; the classifier decides.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from edgeclip.contract.detection import Gate as GateReport
from edgeclip.contract.preprocess_spec import Box
from edgeclip_device.config import MotionSettings
from edgeclip_device.motion.backgrounds import Background, new_background
from edgeclip_device.motion.blobs import Blobs, find_blobs

_SIZE = (320, 180)
_KEPT, _OF = 2, 3  # motion in 2 of 3 frames
_COLOURED = 4  # channels of an infrared frame differ less; in levels of 255
_DARK = 60.0  # mean level below which a coloured frame is dusk; a judgement
_NOTHING = Blobs(0.0, 0.0, (), None)

Illumination = Literal["day", "dusk", "ir"]


@dataclass
class GateCounts:
    """What the gate has done so far.

    Attributes:
        gated: Frames that were held back.
        opened: Frames that motion let through.
        forced: Frames that were let through because it was time.
        held: Frames that were let through because something was seen just before.
        recalibrations: Changes of light.
    """

    frames: int = 0
    gated: int = 0
    opened: int = 0
    forced: int = 0
    held: int = 0
    recalibrations: int = 0


@dataclass(frozen=True)
class GateResult:
    """What the gate says of a frame.

    Attributes:
        opens: Whether to classify the frame.
        crop: Where something moved, relative to the frame; None where nothing did.
        report: For the detection.
    """

    opens: bool
    crop: Box | None
    report: GateReport


@dataclass
class _Memory:
    """What is forgotten when the light changes."""

    background: Background
    recent: deque[bool] = field(default_factory=lambda: deque(maxlen=_OF))


class MotionGate:
    """The gate of one camera.

    Args:
        settings: The table `[motion]`.
    """

    def __init__(self, settings: MotionSettings) -> None:
        self.counts = GateCounts()
        self._settings = settings
        self._memory = self._new_memory()
        self._allowed = _allowed(settings.masks)
        self._level: float | None = None
        self._last_at_s: float | None = None
        self._held_frames = 0
        self._last_crop: Box | None = None
        self._begins_anew = False

    def hold(self, frames: int) -> None:
        """Let the next frames through, motion or not: an animal that stands still stays in view.

        They come with the crop in which something moved last.

        Args:
            frames: How many.
        """
        self._held_frames = frames

    def begin_anew(self) -> None:
        """Forget the background: the next frame shows another view, and goes through."""
        self._begins_anew = True

    def judge(self, image: NDArray[np.uint8], at_s: float) -> GateResult:
        """Return whether a frame is worth a classification.

        Args:
            image: `(H, W, 3)` uint8, RGB, without burned-in strips.
            at_s: The frame's time; the forced classification counts on it.
        """
        self.counts.frames += 1
        # nearest picks pixels: picking first and graying then gives the same, for less
        small = np.asarray(cv2.resize(image, _SIZE, interpolation=cv2.INTER_NEAREST), np.uint8)
        gray = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)
        blobs, relit = self._look(gray)
        moves = self._moves(blobs) and not relit
        is_due = self._last_at_s is None or (
            at_s - self._last_at_s >= self._settings.forced_every_s
        )
        always = self._settings.algorithm == "off"
        held = not (moves or relit or always) and self._held_frames > 0
        forced = is_due and not (moves or relit or always or held)
        opens = moves or relit or always or held or forced
        self._count(opens=opens, forced=forced, held=held)
        if opens:
            self._last_at_s = at_s
        report = GateReport(
            algorithm=self._settings.algorithm,
            changed_pct=round(blobs.changed_pct, 3),
            blob_pct=round(blobs.blob_pct, 3),
            boxes=[_rounded(box) for box in blobs.boxes],
            illumination=_illumination(small, float(gray.mean())),
            forced=forced,
        )
        if moves:
            self._last_crop = _clamped(blobs.crop)
        return GateResult(opens, self._last_crop if moves or held else None, report)

    def _look(self, gray: NDArray[np.uint8]) -> tuple[Blobs, bool]:
        """Return what moved, and whether the light has changed."""
        if self._settings.algorithm == "off":
            return _NOTHING, False
        told, self._begins_anew = self._begins_anew, False
        level, before = float(gray.mean()), self._level
        self._level = level
        jumped = before is not None and abs(level - before) > self._settings.max_luminance_jump
        mask = np.asarray(self._memory.background.apply(gray) & self._allowed, np.uint8)
        blobs = find_blobs(mask, self._settings.min_blob_pct)
        relit = told or jumped or blobs.changed_pct > self._settings.max_changed_pct
        if relit:
            self.counts.recalibrations += 1
            self._memory = self._new_memory()
            self._memory.background.apply(gray)
        return blobs, relit

    def _moves(self, blobs: Blobs) -> bool:
        self._memory.recent.append(bool(blobs.boxes))
        return bool(blobs.boxes) and sum(self._memory.recent) >= _KEPT

    def _count(self, *, opens: bool, forced: bool, held: bool) -> None:
        self._held_frames = max(0, self._held_frames - 1)
        self.counts.gated += not opens
        self.counts.opened += opens and not forced and not held
        self.counts.forced += forced
        self.counts.held += held

    def _new_memory(self) -> _Memory:
        algorithm = self._settings.algorithm
        return _Memory(new_background("mog2" if algorithm == "off" else algorithm))


def _allowed(masks: list[list[list[float]]]) -> NDArray[np.uint8]:
    """Return 255 where motion counts, 0 inside the masks."""
    width, height = _SIZE
    allowed = np.full((height, width), 255, np.uint8)
    for mask in masks:
        corners = np.round(np.array(mask) * (width, height)).astype(np.int32)
        cv2.fillPoly(allowed, [corners], 0)
    return allowed


def _illumination(small: NDArray[np.uint8], level: float) -> Illumination:
    """Return the light: an infrared frame has no colours, however bright it is."""
    thinned = small[::4, ::4].astype(np.int16)
    spread = thinned.max(axis=2) - thinned.min(axis=2)
    if np.percentile(spread, 99) < _COLOURED:  # not the maximum: a hot pixel is no colour
        return "ir"
    return "dusk" if level < _DARK else "day"


def _clamped(crop: Box | None) -> Box | None:
    """Return the crop inside the frame; the preprocessing pads it by the bundle's margin."""
    if crop is None:
        return None
    x, y, width, height = crop
    return (x, y, min(width, 1 - x), min(height, 1 - y))


def _rounded(box: Box) -> Box:
    x, y, width, height = (round(value, 4) for value in box)
    return (x, y, width, height)
