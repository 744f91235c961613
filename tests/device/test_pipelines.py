from __future__ import annotations

from typing import Any

import pytest
from pydantic import SecretStr

from edgeclip_device.camera_settings import CameraSettings
from edgeclip_device.credentials import Credentials
from edgeclip_device.sources.pipelines import pipeline_of, shown

NOBODY = Credentials()
LOGIN = Credentials(username="me", password=SecretStr('p"a\\ss'))
TAIL = (
    "nvvidconv flip-method=0 ! video/x-raw,format=BGRx ! videoconvert ! video/x-raw,format=BGR"
    " ! watchdog timeout=10000 ! appsink drop=true max-buffers=1 sync=false"
)


def _built(credentials: Credentials = NOBODY, **fields: Any) -> str | None:
    return pipeline_of(CameraSettings.model_validate(fields), credentials)


def test_a_csi_camera_goes_through_argus() -> None:
    built = _built(source="csi://1", sensor_mode=2, width=1280, height=720, fps=60, flip=2)
    assert built == (
        "nvarguscamerasrc sensor-id=1 sensor-mode=2"
        " ! video/x-raw(memory:NVMM),format=NV12,width=1280,height=720,framerate=60/1"
        f" ! {TAIL.replace('flip-method=0', 'flip-method=2')}"
    )


def test_a_csi_camera_of_which_nothing_is_asked_gives_full_hd() -> None:
    built = _built(source="csi://0")
    assert built is not None
    assert built.startswith("nvarguscamerasrc sensor-id=0 ! ")
    assert "width=1920,height=1080,framerate=30/1" in built


def test_a_usb_camera_by_gstreamer_decodes_on_the_board() -> None:
    built = _built(source="/dev/v4l/by-id/cam", via="gstreamer", width=1280, height=720, fps=30)
    assert built == (
        'v4l2src device="/dev/v4l/by-id/cam" io-mode=2'
        " ! image/jpeg,width=1280,height=720,framerate=30/1"
        f" ! nvv4l2decoder mjpeg=1 ! {TAIL}"
    )
    bare = _built(source="0", via="gstreamer")
    assert bare is not None
    assert 'device="/dev/video0" io-mode=2 ! image/jpeg ! ' in bare


def test_a_network_camera_by_gstreamer_has_its_login_in_the_string_and_not_in_what_is_shown() -> (
    None
):
    built = _built(LOGIN, source="rtsp://camera/1", via="gstreamer", codec="h265")
    assert built == (
        'rtspsrc location="rtsp://camera/1" user-id="me" user-pw="p\\"a\\\\ss" protocols=tcp'
        " latency=200 drop-on-latency=true ! rtph265depay ! h265parse ! nvv4l2decoder"
        f" ! {TAIL}"
    )
    assert "user-pw=*** protocols=tcp" in shown(built, LOGIN)
    assert "ss" not in shown(built, LOGIN).partition("latency")[0].partition("user-pw")[2]


def test_the_operators_pipeline_replaces_all_and_takes_the_login() -> None:
    login = Credentials(username="me", password=SecretStr("hunter2"))
    own = "rtspsrc location=rtsp://x user-id={username} user-pw={password} ! decodebin ! appsink"
    built = _built(login, source="csi://0", pipeline=own)
    assert built == (
        'rtspsrc location=rtsp://x user-id="me" user-pw="hunter2" ! decodebin ! appsink'
    )
    assert "hunter2" not in shown(built, login)


@pytest.mark.parametrize("source", ["rtsp://camera/1", "0", "/dev/video0", "clip.mp4", None])
def test_without_gstreamer_there_is_no_string(source: str | None) -> None:
    assert _built(source=source) is None


def test_a_source_that_is_a_string_is_the_string() -> None:
    text = "videotestsrc ! videoconvert ! appsink"
    assert _built(source=text) == text
