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
from edgeclip_device.colours import is_colourless
from edgeclip_device.motion.backgrounds import Background, new_background
from edgeclip_device.motion.blobs import NOTHING, Blobs, find_blobs, without_specks
from edgeclip_device.motion.learned_noise import Audit, NoiseMap
from edgeclip_device.motion.settings import MotionSettings, Polygon

_SIZE = (320, 180)
_KEPT, _OF = 2, 3  # motion in 2 of 3 frames
_DARK = 60.0  # mean level below which a coloured frame is dusk; a judgement

Illumination = Literal["day", "dusk", "ir"]
Verdict = Literal["gated", "opened", "moved", "held", "audited", "forced"]


@dataclass
class GateCounts:
    """What the gate has done so far.

    Attributes:
        gated: Frames that were held back.
        opened: Frames that motion let through.
        forced: Frames that were let through because it was time.
        held: Frames that were let through because something was seen just before.
        suppressed: Frames that moved where noise was learned; gated but for the audited ones.
        audited: Those of them that were classified all the same.
        audit_hits: Those of these in which something was seen: what the noise would have hidden.
        recalibrations: Changes of light.
    """

    frames: int = 0
    gated: int = 0
    opened: int = 0
    forced: int = 0
    held: int = 0
    suppressed: int = 0
    audited: int = 0
    audit_hits: int = 0
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
    recent_noise: deque[bool] = field(default_factory=lambda: deque(maxlen=_OF))


@dataclass(frozen=True)
class _Look:
    """What a frame shows.

    Attributes:
        blobs: What moved, without learned noise.
        noise: What moved with it; the same where nothing was learned.
        changed_pct: Changed pixels before the opening, % of what no mask covers.
        relit: The light has changed.
    """

    blobs: Blobs = NOTHING
    noise: Blobs = NOTHING
    changed_pct: float = 0.0
    relit: bool = False


class MotionGate:
    """The gate of one camera.

    Args:
        settings: The table `[motion]`.
    """

    def __init__(self, settings: MotionSettings) -> None:
        self.counts = GateCounts()
        self._settings = settings
        self._memory = self._new_memory()
        self._allowed = _allowed(settings.masks, settings.zones)
        self._allowed_px = max(1, int(np.count_nonzero(self._allowed)))
        self._noise = NoiseMap() if settings.learned_noise else None
        self._audit = Audit(settings.audit_every_s)
        self._was_audited = False
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

    def heed(self, *, is_blank: bool, is_seen: bool) -> None:
        """Learn from what the classifier said of the frame that was judged last.

        Args:
            is_blank: It was called blank, surely.
            is_seen: A class that the pack decides on may be in it.
        """
        if self._was_audited and is_seen:
            self.counts.audit_hits += 1
        if self._noise is None:
            return
        if self._was_audited and is_seen:
            self._noise.forget_newest()
        elif is_blank:
            self._noise.teach()

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
        look = self._look(gray, at_s)
        why = self._why(look, at_s)
        self._count(why)
        if why != "gated":
            self._last_at_s = at_s
        blobs = look.noise if why == "audited" else look.blobs
        report = GateReport(
            algorithm=self._settings.algorithm,
            changed_pct=round(look.changed_pct, 3),
            blob_pct=round(blobs.blob_pct, 3),
            boxes=[_rounded(box) for box in blobs.boxes],
            illumination=_illumination(small, float(gray.mean())),
            forced=why == "forced",
            audited=why == "audited",
        )
        return GateResult(why != "gated", self._crop(why, blobs), report)

    def _why(self, look: _Look, at_s: float) -> Verdict:
        """Return why a frame is let through, or that it is not."""
        if look.relit or self._settings.algorithm == "off":
            return "opened"
        moves = _is_kept(self._memory.recent, look.blobs)
        noisy = _is_kept(self._memory.recent_noise, look.noise)
        is_due = self._last_at_s is None or (
            at_s - self._last_at_s >= self._settings.forced_every_s
        )
        suppressed = noisy and not moves
        self.counts.suppressed += suppressed
        if moves:
            return "moved"
        if self._held_frames > 0:
            return "held"
        if suppressed and self._audit.picks(at_s):
            return "audited"
        return "forced" if is_due else "gated"

    def _crop(self, why: Verdict, blobs: Blobs) -> Box | None:
        if why in ("moved", "audited"):
            self._last_crop = _clamped(blobs.crop)
        return self._last_crop if why in ("moved", "audited", "held") else None

    def _look(self, gray: NDArray[np.uint8], at_s: float) -> _Look:
        """Return what moved, and whether the light has changed."""
        if self._settings.algorithm == "off":
            return _Look()
        told, self._begins_anew = self._begins_anew, False
        level, before = float(gray.mean()), self._level
        self._level = level
        jumped = before is not None and abs(level - before) > self._settings.max_luminance_jump
        mask = np.asarray(self._memory.background.apply(gray) & self._allowed, np.uint8)
        changed_pct = 100 * cv2.countNonZero(mask) / self._allowed_px
        opened = without_specks(mask)
        noise = find_blobs(opened, self._settings.min_blob_pct)
        relit = told or jumped or changed_pct > self._settings.max_changed_pct
        if told and self._noise is not None:
            self._noise = NoiseMap()  # what it learned lies elsewhere now
        if relit:
            self._recalibrate(gray, at_s)
        blobs = noise
        if self._noise is not None and not relit:
            calm = self._noise.without_noise(opened, at_s)
            blobs = find_blobs(calm, self._settings.min_blob_pct)
        return _Look(blobs, noise, changed_pct, relit)

    def _recalibrate(self, gray: NDArray[np.uint8], at_s: float) -> None:
        self.counts.recalibrations += 1
        self._memory = self._new_memory()
        self._memory.background.apply(gray)
        if self._noise is not None:
            self._noise.suspend(at_s)

    def _count(self, why: Verdict) -> None:
        self._held_frames = max(0, self._held_frames - 1)
        self._was_audited = why == "audited"
        self.counts.gated += why == "gated"
        self.counts.opened += why in ("opened", "moved")
        self.counts.forced += why == "forced"
        self.counts.held += why == "held"
        self.counts.audited += why == "audited"

    def _new_memory(self) -> _Memory:
        algorithm = self._settings.algorithm
        return _Memory(new_background("mog2" if algorithm == "off" else algorithm))


def _is_kept(recent: deque[bool], blobs: Blobs) -> bool:
    """Say whether something moves now, and did in enough of the last frames."""
    recent.append(bool(blobs.boxes))
    return bool(blobs.boxes) and sum(recent) >= _KEPT


def _allowed(masks: list[Polygon], zones: list[Polygon]) -> NDArray[np.uint8]:
    """Return 255 where motion counts, 0 inside the masks and outside the zones."""
    width, height = _SIZE
    allowed = np.full((height, width), 0 if zones else 255, np.uint8)
    for shapes, value in ((zones, 255), (masks, 0)):
        for shape in shapes:
            corners = np.round(np.array(shape) * (width, height)).astype(np.int32)
            cv2.fillPoly(allowed, [corners], value)
    return allowed


def _illumination(small: NDArray[np.uint8], level: float) -> Illumination:
    """Return the light: an infrared frame has no colours, however bright it is."""
    if is_colourless(small[::4, ::4]):
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
