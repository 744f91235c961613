"""From a camera's address and settings to a camera that is read by another process."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from edgeclip_device.camera_settings import CameraSettings
from edgeclip_device.capture.escalation import Escalation, Means, RebootRule, Step
from edgeclip_device.capture.order import OPENCV
from edgeclip_device.capture.process import CaptureProcess
from edgeclip_device.capture.source import CapturedSource, Care
from edgeclip_device.capture.watch import FrameWatch
from edgeclip_device.clock import WallClock
from edgeclip_device.field.requests import FOLDER, ask
from edgeclip_device.sources.cameras import CameraAddress


def captured(
    address: CameraAddress,
    camera: CameraSettings,
    state: Path,
    strips_px: tuple[int, int],
    *,
    clock: WallClock,
    opener: str = OPENCV,
) -> CapturedSource:
    """Return the camera; its capture process has been started.

    Args:
        address: How OpenCV opens it.
        camera: The table `[camera]`.
        state: The state folder, which remembers the last reboot.
        strips_px: Rows of burned-in text at top and bottom.
        clock: For the frames' times.
        opener: Which function opens it; tests name a driver of theirs.
    """
    rule = RebootRule(state, is_allowed=camera.may_reboot)
    care = Care(
        timeout_s=camera.timeout_s,
        expected_fps=camera.fps,
        watch=FrameWatch(camera.frozen_s, strips_px),
        escalation=Escalation(Means(address.has_service, rule.is_due)),
        ask=partial(ask_for, rule),
    )
    start = partial(CaptureProcess, address, 1 / camera.max_fps, opener=opener)
    return CapturedSource(address.name, start, care, clock=clock)


def ask_for(rule: RebootRule, step: Step, reason: str, folder: Path = FOLDER) -> bool:
    """Ask root for the step that detect may not take itself; say whether that was heard.

    Args:
        rule: Remembers a reboot before it is asked for; else a broken camera could ask for ever.
        step: `service` or `reboot`.
        reason: Why.
        folder: Where requests lie.
    """
    if step == "reboot":
        return rule.note() and ask("reboot", f"camera: {reason}", folder)
    return ask("restart-nvargus", f"camera: {reason}", folder)
