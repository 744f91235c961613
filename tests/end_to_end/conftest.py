"""Device, broker and dashboard together, each a process of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.drawn_clips import crossing, write_video
from support.tiny_bundle import write_tiny_bundle

VISITS = 4

CONFIG = """
device_id = "jetson-1"
project = "{project}"
deployment_id = "ridge-2026"
state = "{state}"
[camera]
camera_id = "north"
source = "{clip}"
[inference]
bundle = "{bundle}"
backend = "onnxruntime"
[visits]
quiet_s = 1.0
cooldown_s = 0.0
[mqtt]
url = "{broker}"
retry_max_s = 1.0
[uplink]
resend_s = 2.0
"""


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole small bundle for which red is a leopard."""
    return write_tiny_bundle(tmp_path_factory.mktemp("bundle") / "bundle")


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20 s at 10 fps in which a red blob crosses four times."""
    frames = crossing(50, 25, 45) * VISITS
    return write_video(tmp_path_factory.mktemp("clips") / "visits.mp4", frames)
