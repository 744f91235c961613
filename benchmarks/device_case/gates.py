"""The gate beside OpenCV's MOG2 and KNN, on rendered clips whose truth is known and on real bursts.

All see the same 320 x 180 grey pixels at 5 frames a second, and the same smallest blob. The rivals
open whenever there is one, as they are commonly used; verdicts that teach the gate are the truth,
wrong 5 times in 100.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median

import cv2
import numpy as np
from numpy.typing import NDArray

from edgeclip.scenes.clip_truth import ClipTruth
from edgeclip.scenes.clips import ClipScript, Entry, foliage_clip, leopard_night_clip, write_clip
from edgeclip_device.motion.blobs import find_blobs, without_specks
from edgeclip_device.motion.gate import MotionGate
from edgeclip_device.motion.settings import MotionSettings
from edgeclip_device.sources.video import VideoSource, VideoTiming

STRIP_PX = 20
FPS = 5.0
LEARNING_S = 15.0  # at a clip's beginning, in which nothing is counted
_WRONG = 0.05
_VISIBLE = 0.5
_ENOUGH = 3  # frames of a visit that must go through for it to be kept
_SIZE = (320, 180)

Image = NDArray[np.uint8]
Opens = Callable[[Image, float, bool], bool]
"""Of a frame, its time, and whether it is truly blank."""


@dataclass
class Tally:
    """What a gate did.

    Attributes:
        blank: Frames without an animal.
        stopped: Those of them that were held back.
        seen: Frames with one.
        opened: Those that went through.
        visits: Crossings.
        kept: Those of which enough frames went through.
        spent_s: CPU time of each frame.
    """

    blank: int = 0
    stopped: int = 0
    seen: int = 0
    opened: int = 0
    visits: int = 0
    kept: int = 0
    spent_s: list[float] = field(default_factory=list)

    def figures(self) -> dict[str, float]:
        """Return shares in % and ms a frame."""
        return {
            "blank_frames": self.blank,
            "blank_stopped_pct": 100 * self.stopped / max(1, self.blank),
            "animal_frames": self.seen,
            "animal_opened_pct": 100 * self.opened / max(1, self.seen),
            "visits": self.visits,
            "visits_kept": self.kept,
            "ms_a_frame": 1000 * median(self.spent_s),
        }


@dataclass
class _Rival:
    """A background of OpenCV's, as it is commonly used.

    Attributes:
        model: MOG2 or KNN, without shadows.
    """

    model: cv2.BackgroundSubtractor
    is_new: bool = field(default=True)

    def opens(self, image: Image, _at_s: float, _is_blank: bool) -> bool:
        """Say whether there is a blob."""
        small = cv2.resize(image, _SIZE, interpolation=cv2.INTER_NEAREST)
        mask = np.asarray(self.model.apply(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)), np.uint8)
        was_new, self.is_new = self.is_new, False
        return was_new or bool(find_blobs(without_specks(mask), 0.02).boxes)


@dataclass
class _Ours:
    """The gate, taught by verdicts that are sometimes wrong."""

    gate: MotionGate
    draw: random.Random = field(default_factory=lambda: random.Random(0))

    def opens(self, image: Image, at_s: float, is_blank: bool) -> bool:
        """Say whether the frame is let through."""
        if not self.gate.judge(image, at_s).opens:
            return False
        verdict = is_blank != (self.draw.random() < _WRONG)
        self.gate.heed(is_blank=verdict, is_seen=not verdict)
        return True


def contenders() -> dict[str, Callable[[], Opens]]:
    """Return what is compared; each call makes one that has seen nothing."""

    def ours(**settings: object) -> Callable[[], Opens]:
        return lambda: _Ours(MotionGate(MotionSettings.model_validate(settings))).opens

    return {
        "gate": ours(),
        "gate, learned noise": ours(learned_noise=True),
        "gate, average": ours(algorithm="average"),
        "gate, average, learned noise": ours(algorithm="average", learned_noise=True),
        "OpenCV MOG2": lambda: (
            _Rival(cv2.createBackgroundSubtractorMOG2(detectShadows=False)).opens
        ),
        "OpenCV KNN": lambda: _Rival(cv2.createBackgroundSubtractorKNN(detectShadows=False)).opens,
    }


def clip_scripts(seconds: float) -> dict[str, ClipScript]:
    """Return clips of plants alone, and of animals of three sizes that cross after a while.

    Args:
        seconds: Length of each; animals cross in the last 14 s.
    """
    crossing = (seconds - 12.0, seconds - 4.0)
    foliage, night = foliage_clip(seconds), leopard_night_clip(seconds)

    def with_visit(script: ClipScript, species: str, height: float) -> ClipScript:
        return replace(script, entries=(Entry(species, *crossing, height=height),))

    return {
        "foliage, day": foliage,
        "foliage, night": replace(foliage, night=True),
        "wind and leopard, day": with_visit(foliage, "leopard", 0.36),
        "wind and small leopard, day": with_visit(foliage, "leopard", 0.14),
        "leopard, night": with_visit(night, "leopard", 0.36),
    }


def gates_on_clips(folder: Path, seconds: float) -> dict[str, dict[str, dict[str, float]]]:
    """Return what each contender did on each clip, after its first 15 s.

    Args:
        folder: Clips are rendered into it, unless they are there.
        seconds: Length of each.
    """
    found: dict[str, dict[str, dict[str, float]]] = {}
    for name, script in clip_scripts(seconds).items():
        path = folder / f"{name.replace(', ', '-').replace(' ', '-')}-{seconds:g}.mp4"
        if not path.exists():
            write_clip(path, script=script)
        truth, frames = ClipTruth.read(path), _frames(path)
        found[name] = {
            contender: _on_clip(make(), truth, frames).figures()
            for contender, make in contenders().items()
        }
    return found


def _on_clip(opens: Opens, truth: ClipTruth, frames: Sequence[tuple[int, float, Image]]) -> Tally:
    tally, through = Tally(), set()
    for number, at_s, image in frames:
        boxes = truth.frames[number]
        began = time.thread_time()
        opened = opens(image, at_s, not boxes)
        tally.spent_s.append(time.thread_time() - began)
        if opened:
            through.add(number)
        if at_s < LEARNING_S:
            continue
        if not boxes:
            tally.blank += 1
            tally.stopped += not opened
        elif any(box.visible > _VISIBLE for box in boxes):
            tally.seen += 1
            tally.opened += opened
    for visit in truth.visits:
        tally.visits += 1
        span = range(visit.first_frame, visit.last_frame + 1)
        tally.kept += sum(number in through for number in span) >= _ENOUGH
    return tally


def on_bursts(
    make: Callable[[], Opens], bursts: Iterable[tuple[bool, Sequence[Image]]]
) -> dict[str, float]:
    """Return what a contender did; each burst is a scene of its own, whose first shot is learned.

    Args:
        make: Makes a contender that has seen nothing.
        bursts: Whether it is blank, and its shots.
    """
    tally = Tally()
    for is_blank, shots in bursts:
        opens = make()
        began = time.thread_time()
        verdicts = [opens(shot, n / 2, is_blank) for n, shot in enumerate(shots)]
        tally.spent_s.append((time.thread_time() - began) / len(shots))
        through = any(verdicts[1:])
        tally.blank += is_blank
        tally.stopped += is_blank and not through
        tally.seen += not is_blank
        tally.opened += not is_blank and through
    figures = tally.figures()
    return {
        "blank_bursts": figures["blank_frames"],
        "blank_stopped_pct": figures["blank_stopped_pct"],
        "animal_bursts": figures["animal_frames"],
        "animal_opened_pct": figures["animal_opened_pct"],
        "ms_a_frame": figures["ms_a_frame"],
    }


def _frames(path: Path) -> list[tuple[int, float, Image]]:
    found = []
    with closing(VideoSource(path, VideoTiming(None, FPS))) as source:
        while (frame := source.read()) is not None:
            found.append((frame.number, frame.at_s, frame.image[:-STRIP_PX]))
    return found
