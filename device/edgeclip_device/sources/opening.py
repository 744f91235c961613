"""From the one string that names a source to the source."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from urllib.parse import quote

from edgeclip.errors import ConfigError, SourceError
from edgeclip_device.camera_settings import CameraSettings
from edgeclip_device.capture.opening import captured
from edgeclip_device.clock import WallClock
from edgeclip_device.credentials import Credentials
from edgeclip_device.sources.base import Source
from edgeclip_device.sources.cameras import (
    CameraAddress,
    gstreamer_camera,
    rtsp_camera,
    size_and_rate,
    v4l2_camera,
)
from edgeclip_device.sources.done_files import DoneFiles
from edgeclip_device.sources.image_files import IMAGE_SUFFIXES
from edgeclip_device.sources.pipelines import pipeline_of
from edgeclip_device.sources.stills import Pace, StillsSource
from edgeclip_device.sources.video import VideoSource, VideoTiming
from edgeclip_device.sources.watched import WatchedFolder, Watching
from edgeclip_device.time_zones import zone_of
from edgeclip_device.urls import masked, with_credentials


@dataclass(frozen=True)
class Opening:
    """What opening a source needs beside its string.

    Attributes:
        camera: The table `[camera]`.
        credentials: Of a network camera.
        clock: The machine's clocks.
        state: The state folder, which remembers what was done for a camera.
        strips_px: Rows of burned-in text at top and bottom.
        start: When a file's first frame was taken; None takes the file's time of change.
    """

    camera: CameraSettings
    credentials: Credentials
    clock: WallClock
    state: Path
    strips_px: tuple[int, int] = (0, 0)
    start: datetime | None = None


def open_source(opening: Opening) -> Source:
    """Return the opened source.

    Raises:
        ConfigError: No source is named, or no time zone where one is needed.
        SourceError: A file cannot be opened, or a camera never could be; the message says what to
            do. A camera that is only missing now says so when it is read.
    """
    text = opening.camera.source
    pipeline = pipeline_of(opening.camera, opening.credentials)
    if pipeline is not None:
        name = masked(text) if text and " ! " not in text else pipeline.split()[0]
        return _live(opening, gstreamer_camera(pipeline, name, _secrets(opening.credentials)))
    if text is None:
        raise ConfigError("[camera].source is missing: name it there, or with --source")
    if text.startswith(("rtsp://", "rtsps://")):
        return _rtsp(opening, text)
    if "://" in text:
        raise SourceError(f"{text.split('://')[0]}:// is no source: use csi://, rtsp:// or a file")
    if text.isdigit() or text.startswith("/dev/"):
        camera = opening.camera
        wishes = size_and_rate(camera.width, camera.height, camera.fps)
        return _live(opening, v4l2_camera(text, wishes))
    return _file(opening, Path(text))


def _live(opening: Opening, address: CameraAddress) -> Source:
    return captured(address, opening.camera, opening.state, opening.strips_px, clock=opening.clock)


def _rtsp(opening: Opening, url: str) -> Source:
    credentials = opening.credentials
    password = credentials.password.get_secret_value() if credentials.password else ""
    full = with_credentials(url, credentials.username, password) if credentials.username else url
    secrets = _secrets(credentials)
    return _live(opening, rtsp_camera(url, full, opening.camera.timeout_s, secrets))


def _secrets(credentials: Credentials) -> tuple[str, ...]:
    """Return the password as it is, and as it stands in a URL."""
    password = credentials.password.get_secret_value() if credentials.password else ""
    return (password, quote(password, safe="")) if password else ()


def _file(opening: Opening, path: Path) -> Source:
    if opening.camera.watch:
        return _watched(opening, path)
    if not path.exists():
        raise SourceError(
            f"there is no {path}: name an image, a folder, a video, a camera's number, /dev/...,"
            " csi://0, rtsp://... or a GStreamer string"
        )
    start = opening.start or datetime.fromtimestamp(path.stat().st_mtime, timezone.utc)
    if path.is_dir() or path.suffix.lower() in IMAGE_SUFFIXES:
        zone = zone_of(opening.camera.time_zone) if opening.camera.time_zone else None
        return StillsSource(path, Pace(start, opening.camera.still_interval_s), zone)
    return VideoSource(path, VideoTiming(start, opening.camera.max_fps))


def _watched(opening: Opening, folder: Path) -> Source:
    """Return a folder that is watched; one that is missing now says so when it is read."""
    camera = opening.camera
    if camera.time_zone is None:
        raise ConfigError(
            "[camera].time_zone is missing: a watched folder's EXIF times have none; give that of"
            ' the camera\'s clock, for example "Africa/Nairobi" or "+03:00"'
        )
    if folder.is_file():
        raise SourceError(f"{folder} is a file: [camera].watch wants a folder")
    done = DoneFiles(opening.state / f"watched-{camera.camera_id}.sqlite")
    watching = Watching(zone_of(camera.time_zone), camera.still_interval_s, camera.max_fps)
    return WatchedFolder(folder, done, watching)
