"""GStreamer strings: built from typed fields, or as the operator gives one.

The elements are those that NVIDIA documents for JetPack; no string here was run on a board yet.
"""

from __future__ import annotations

import re

from edgeclip_device.camera_settings import CameraSettings
from edgeclip_device.credentials import Credentials

_SIZE, _FPS = (1920, 1080), 30  # asked of a CSI camera where nothing is said: it must be something
_PASSWORD = re.compile(r'(user-pw=)"(?:[^"\\]|\\.)*"')


def pipeline_of(camera: CameraSettings, credentials: Credentials) -> str | None:
    """Return the string that GStreamer shall run; None where OpenCV opens the source without it.

    Args:
        camera: The table `[camera]`.
        credentials: Of a network camera; they stand in the string.
    """
    source = camera.source or ""
    if camera.pipeline is not None:
        return _filled(camera.pipeline, credentials)
    if " ! " in source:
        return source
    if source.startswith("csi://"):
        return _csi(camera, source.removeprefix("csi://"))
    if camera.via == "opencv":
        return None
    if source.startswith(("rtsp://", "rtsps://")):
        return _rtsp(camera, source, credentials)
    if source.isdigit() or source.startswith("/dev/"):
        device = f"/dev/video{source}" if source.isdigit() else source
        return _v4l2(camera, device)
    return None


def shown(pipeline: str, credentials: Credentials) -> str:
    """Return a string for people: without the password, wherever it stands."""
    text = _PASSWORD.sub(r"\1***", pipeline)
    password = credentials.password.get_secret_value() if credentials.password else ""
    return text.replace(password, "***") if password else text


def _csi(camera: CameraSettings, sensor: str) -> str:
    width, height = camera.width or _SIZE[0], camera.height or _SIZE[1]
    mode = "" if camera.sensor_mode is None else f" sensor-mode={camera.sensor_mode}"
    size = f"width={width},height={height},framerate={camera.fps or _FPS}/1"
    caps = f"video/x-raw(memory:NVMM),format=NV12,{size}"
    return f"nvarguscamerasrc sensor-id={sensor}{mode} ! {caps} ! {_tail(camera)}"


def _v4l2(camera: CameraSettings, device: str) -> str:
    wishes = {
        "width": camera.width,
        "height": camera.height,
        "framerate": f"{camera.fps}/1" if camera.fps else None,
    }
    caps = ",".join(["image/jpeg", *(f"{key}={value}" for key, value in wishes.items() if value)])
    decoder = "nvv4l2decoder mjpeg=1"
    return f"v4l2src device={_quoted(device)} io-mode=2 ! {caps} ! {decoder} ! {_tail(camera)}"


def _rtsp(camera: CameraSettings, url: str, credentials: Credentials) -> str:
    login = ""
    if credentials.username:
        login += f" user-id={_quoted(credentials.username)}"
    if credentials.password:
        login += f" user-pw={_quoted(credentials.password.get_secret_value())}"
    codec = camera.codec
    return (
        f"rtspsrc location={_quoted(url)}{login} protocols=tcp latency=200 drop-on-latency=true"
        f" ! rtp{codec}depay ! {codec}parse ! nvv4l2decoder ! {_tail(camera)}"
    )


def _tail(camera: CameraSettings) -> str:
    return (
        f"nvvidconv flip-method={camera.flip} ! video/x-raw,format=BGRx ! videoconvert"
        f" ! video/x-raw,format=BGR ! watchdog timeout={round(camera.timeout_s * 1000)}"
        " ! appsink drop=true max-buffers=1 sync=false"
    )


def _filled(pipeline: str, credentials: Credentials) -> str:
    """Put the credentials where the operator's string has {username} and {password}."""
    password = credentials.password.get_secret_value() if credentials.password else ""
    filled = pipeline.replace("{username}", _quoted(credentials.username or ""))
    return filled.replace("{password}", _quoted(password))


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
