"""Table `[camera]`: what is watched."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from edgeclip.contract.detection import Identifier
from edgeclip.contract.settings import Settings
from edgeclip_device.time_zones import zone_of


class CameraSettings(Settings):
    """What to watch, and how it is opened."""

    camera_id: Identifier = Field("camera", description="The camera's name in every detection.")
    source: str | None = Field(
        None,
        min_length=1,
        description="An image, a folder of images, a video, a camera's number or device file, "
        "csi://SENSOR, rtsp://HOST/PATH, or a GStreamer string that ends in appsink.",
    )
    via: Literal["opencv", "gstreamer"] = Field(
        "opencv",
        description="What reads a USB or network camera; gstreamer decodes on a Jetson's hardware. "
        "csi:// always uses GStreamer.",
    )
    width: int | None = Field(None, ge=16, le=8192, description="Asked of a USB or CSI camera, px.")
    height: int | None = Field(None, ge=16, le=8192, description="The same.")
    fps: int | None = Field(
        None, ge=1, le=240, description="Asked of a USB or CSI camera, and expected of any."
    )
    sensor_mode: int | None = Field(None, ge=0, le=64, description="Of argus, for csi://.")
    flip: int = Field(0, ge=0, le=7, description="nvvidconv's flip-method; 2 turns by 180 degrees.")
    codec: Literal["h264", "h265"] = Field(
        "h264", description="Of an RTSP camera that GStreamer reads."
    )
    pipeline: str | None = Field(
        None,
        min_length=1,
        description="A GStreamer string in place of the one built from these keys; may hold "
        "{username} and {password}.",
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
    watch: bool = Field(
        default=False,
        description="Whether the source is a folder into which a camera's files come, without end.",
    )
    time_zone: str | None = Field(
        None,
        description="Of the clock that writes EXIF times, as Africa/Nairobi or +03:00; with it, "
        "images have these times.",
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

    @field_validator("time_zone")
    @classmethod
    def _is_a_zone(cls, value: str | None) -> str | None:
        if value is not None:
            zone_of(value)
        return value
