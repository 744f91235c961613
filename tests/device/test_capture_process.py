from __future__ import annotations

import subprocess
import sys
from pathlib import Path

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


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
