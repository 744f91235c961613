from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import cv2
import numpy as np

from edgeclip_device.capture.process import CaptureProcess
from edgeclip_device.sources.cameras import CameraAddress
from support.capture_drivers import OPENER, camera
from support.drawn_clips import crossing, ground, write_video
from support.receivers import eventually

FOREVER = "frames 100000"


def test_the_capture_process_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    script = f"""
import sys, time
from pathlib import Path
sys.path[:] = {sys.path!r}
from edgeclip_device.capture.process import CaptureProcess
from support.capture_drivers import OPENER, camera
process = CaptureProcess(camera(Path({str(tmp_path)!r}), {FOREVER!r}), 0.1, opener=OPENER)
while not process.frame():
    process.words(1)
print(process.pid, flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
    eventually(lambda: not _runs(pid), "the capture process ends")


def test_sigterm_to_all_of_a_unit_is_the_parents_to_follow(tmp_path: Path) -> None:
    process = CaptureProcess(camera(tmp_path, FOREVER), 0.01, opener=OPENER)
    try:
        eventually(lambda: (process.words(0.1), process.frame())[1], "a frame")
        os.kill(process.pid, signal.SIGTERM)
        os.kill(process.pid, signal.SIGINT)
        for _ in range(3):
            eventually(lambda: (process.words(0.1), process.frame())[1], "a further frame")
    finally:
        assert process.end()
    assert process.ended == 0


def test_a_night_of_restarts_leaves_nothing_open(tmp_path: Path) -> None:
    def restart() -> int:
        process = CaptureProcess(camera(tmp_path, FOREVER), 0.01, opener=OPENER)
        eventually(lambda: (process.words(0.1), process.frame())[1], "a frame")
        process.kill()
        return len(list(Path("/proc/self/fd").iterdir())) + threading.active_count()

    first = restart()
    assert [restart() for _ in range(3)] == [first] * 3


def test_a_real_stream_is_decoded_and_opened_again_at_its_end(tmp_path: Path) -> None:
    clip = write_video(tmp_path / "clip.mp4", crossing(frames=20))
    address = CameraAddress(str(clip), cv2.CAP_FFMPEG, "stream", "is it there?")
    process = CaptureProcess(address, 0.0)
    try:
        said: list[str] = []
        while not any(word.startswith("lost") for word in said):
            said += process.words(1.0)
        assert said[0].startswith("opened ")
        assert said[1] == "ring 240 320"
        stored = process.frame()
        assert stored is not None
        assert stored.number == 19
        assert np.abs(stored.image.astype(int) - ground()).mean() < 6
        process.reopen()
        eventually(lambda: process.words(0.1) and process.frame(), "a frame of the next round")
    finally:
        process.end()


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
