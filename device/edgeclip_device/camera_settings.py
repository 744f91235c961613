"""Table `[camera]`: what is watched."""

from __future__ import annotations

from pydantic import Field

from edgeclip.contract.detection import Identifier
from edgeclip.contract.settings import Settings


class CameraSettings(Settings):
    """What to watch, and how it is opened."""

    camera_id: Identifier = Field("camera", description="The camera's name in every detection.")
    source: str | None = Field(
        None,
        min_length=1,
        description="An image, a folder of images, a video, a camera's number or device file, "
        "rtsp://HOST/PATH, or a GStreamer string that ends in appsink.",
    )
    max_fps: float = Field(
        5.0, gt=0, le=60, description="Frames a second that are looked at; others are passed over."
    )
    strip_top_px: int | None = Field(
        None,
        ge=0,
        le=1000,
        description="Height of a burned-in strip at the top, cut off everywhere; left out: as the "
        "pack was trained.",
    )
    strip_bottom_px: int | None = Field(None, ge=0, le=1000, description="The same at the bottom.")
    still_interval_s: float = Field(
        1.0, gt=0, le=3600, description="Time between two images of a folder."
    )
    timeout_s: float = Field(
        10.0, ge=1, le=45, description="A camera without a frame for so long has stalled."
    )
    frozen_s: float = Field(
        30.0,
        ge=0,
        le=3600,
        description="So long may a camera give the same frame; 0 for one that shows no real scene.",
    )
    may_reboot: bool = Field(
        default=False,
        description="Whether a camera that nothing else helps may reboot the machine, once in 6 h.",
    )
