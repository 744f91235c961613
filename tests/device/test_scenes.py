"""The gate on rendered camera-trap clips, whose truth is known."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from edgeclip.contract.preprocess_spec import Box
from edgeclip.scenes.clip_truth import ClipTruth
from edgeclip.scenes.clips import foliage_clip, leopard_night_clip, write_clip
from edgeclip_device.motion.gate import GateResult, MotionGate
from edgeclip_device.motion.settings import MotionSettings
from edgeclip_device.sources.video import VideoSource, VideoTiming

STRIP_PX = 20


@pytest.fixture(scope="module")
def leopard(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ClipTruth]:
    """An infrared night with a leopard and moving plants."""
    path = tmp_path_factory.mktemp("scenes") / "leopard.mp4"
    return path, write_clip(path, script=leopard_night_clip(8.0))


@pytest.fixture(scope="module")
def foliage(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ClipTruth]:
    """A windy day without an animal."""
    path = tmp_path_factory.mktemp("scenes") / "foliage.mp4"
    return path, write_clip(path, script=foliage_clip(6.0))


def _judged(path: Path, algorithm: str = "mog2") -> dict[int, GateResult]:
    """Return the gate's word on each frame, by frame number."""
    gate = MotionGate(MotionSettings.model_validate({"algorithm": algorithm}))
    found = {}
    with closing(VideoSource(path, VideoTiming(None, 60.0))) as source:
        while (frame := source.read()) is not None:
            found[frame.number] = gate.judge(frame.image[:-STRIP_PX], frame.at_s)
    return found


def _overlap(crop: Box, truth: Box, height_px: int) -> float:
    """Return how much of the true box lies in the crop; the crop's frame lacks the strip."""
    ratio = height_px / (height_px - STRIP_PX)
    x, y, width, height = truth[0], truth[1] * ratio, truth[2], truth[3] * ratio
    across = min(x + width, crop[0] + crop[2]) - max(x, crop[0])
    down = min(y + height, crop[1] + crop[3]) - max(y, crop[1])
    return max(across, 0) * max(down, 0) / (width * height)


@pytest.mark.parametrize("algorithm", ["mog2", "average"])
def test_the_gate_opens_for_the_leopard_and_its_crop_holds_it(
    leopard: tuple[Path, ClipTruth], algorithm: str
) -> None:
    path, truth = leopard
    judged = _judged(path, algorithm)
    seen = [n for n, boxes in enumerate(truth.frames) if boxes and boxes[0].visible > 0.5]
    assert len(seen) > 10
    opened = [n for n in seen if judged[n].opens and judged[n].crop is not None]
    assert len(opened) >= 0.9 * len(seen)
    held = [
        n
        for n in opened
        if _overlap(judged[n].crop or (0, 0, 0, 0), truth.frames[n][0].box, truth.height) > 0.5
    ]
    assert len(held) >= 0.8 * len(opened)


def test_the_night_is_infrared_and_the_day_is_not(
    leopard: tuple[Path, ClipTruth], foliage: tuple[Path, ClipTruth]
) -> None:
    night = {result.report.illumination for result in _judged(leopard[0]).values()}
    day = {result.report.illumination for result in _judged(foliage[0]).values()}
    assert night == {"ir"}
    assert "ir" not in day


def test_wind_does_not_count_as_a_change_of_light(foliage: tuple[Path, ClipTruth]) -> None:
    gate = MotionGate(MotionSettings())
    with closing(VideoSource(foliage[0], VideoTiming(None, 60.0))) as source:
        while (frame := source.read()) is not None:
            gate.judge(frame.image[:-STRIP_PX], frame.at_s)
    assert gate.counts.recalibrations == 0
    assert gate.counts.frames == len(foliage[1].frames)
