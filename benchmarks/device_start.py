"""Measure how soon detect sees its first frame, and what it holds in memory.

    python -m benchmarks.device_start [--quick]

A service is started anew each time, with the tests' tiny bundle: over a video by the command line,
and over a scripted camera of 1080p through the capture process. Beside the seconds on the wall
stands what of them detect itself computed: on a busy machine these alone mean something. Memory is
resident, with the three frames that both processes share. That torch is not loaded is checked.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from edgeclip_device.capture.ring import RingReader, RingWriter
from edgeclip_device.capture.watch import FrameWatch

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))  # the tiny bundle and the drawn clip are the tests' own

from support.drawn_clips import crossing, ground, write_video  # noqa: E402 - after the path
from support.tiny_bundle import write_tiny_bundle  # noqa: E402 - likewise

RESULTS = ROOT / "benchmarks/results/device_start.json"
MOST_S, MOST_MB = 2.0, 150.0  # what the project asks of itself
RUN = "from edgeclip_device.cli import main; main()"
FIRST = b"the first frame is here"


def main() -> None:
    """Measure, print a table, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one start each: to see that it runs")
    rounds = 1 if parser.parse_args().quick else 5
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _prepare(folder)
        results = {
            "machine": f"{platform.machine()}, {platform.python_version()}",
            "load": f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} cores",
            "first_frame_of_a_video_s": _median_start(folder, _command(folder), rounds),
            "first_frame_of_a_camera_s": _median_start(folder, _script(folder, "whole"), rounds),
            **_memory(folder),
            **_frame_ms(),
        }
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    Console().print(_table(results))


def _prepare(folder: Path) -> None:
    bundle = write_tiny_bundle(folder / "bundle")
    clip = write_video(folder / "clip.mp4", crossing(frames=600))
    (folder / "device.toml").write_text(
        f'state = "{folder}/state"\n[camera]\nsource = "{clip}"\n'
        f'[inference]\nbundle = "{bundle}"\nbackend = "onnxruntime"\n'
    )


def _command(folder: Path) -> list[str]:
    return [sys.executable, "-c", RUN, "detect", "--config", str(folder / "device.toml")]


def _script(folder: Path, what: str) -> list[str]:
    return [sys.executable, "-m", "benchmarks._start_detect", str(folder), what]


def _median_start(folder: Path, command: list[str], rounds: int) -> dict[str, float]:
    """Return median and best seconds from the start of a process to its first frame."""
    taken, computed = [], []
    for _ in range(rounds):
        (folder / "state/openings").unlink(missing_ok=True)
        began = time.perf_counter()
        with _started(command) as process:
            _wait_for(process, FIRST)
            taken.append(time.perf_counter() - began)
            computed.append(_cpu_s(process.pid))
            process.terminate()
    return {
        "median": round(median(taken), 2),
        "best": round(min(taken), 2),
        "computed": round(min(computed), 2),
    }


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory(folder: Path) -> dict[str, float]:
    """Return MB of detect without its engine, of the capture process, and of both with it."""
    with _started(_script(folder, "without-engine")) as process:
        _wait_for(process, b"ready, with")
        bare, capture = _resident_mb(process.pid), sum(map(_resident_mb, _children(process.pid)))
        process.terminate()
    with _started(_script(folder, "whole")) as process:
        _wait_for(process, FIRST)
        time.sleep(2)
        whole = _resident_mb(process.pid)
        process.terminate()
    return {
        "detect_without_engine_mb": bare,
        "capture_process_mb": round(capture, 1),
        "detect_with_the_tiny_engine_mb": whole,
    }


def _frame_ms() -> dict[str, float]:
    """Return ms of this thread for one 1080p frame: taken out of the ring, and looked at."""
    frames = [ground(n, (1080, 1920)) for n in range(3)]
    descriptor = os.memfd_create("ring", os.MFD_ALLOW_SEALING)
    writer = RingWriter(descriptor, 1080, 1920)
    reader, watch = RingReader(descriptor, 1080, 1920), FrameWatch(30.0)
    read, looked = [], []
    for n in range(40):
        writer.write(frames[n % 3], n, 0, 0)
        read.append(_thread_ms(reader.read))
        looked.append(_thread_ms(partial(watch.look, frames[n % 3], float(n))))
    os.close(descriptor)
    return {"ring_read_ms": round(min(read), 2), "frame_watch_ms": round(min(looked), 2)}


def _thread_ms(work: Callable[[], object]) -> float:
    began = time.thread_time()
    work()
    return (time.thread_time() - began) * 1000


def _started(command: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE)


def _wait_for(process: subprocess.Popen[bytes], words: bytes) -> None:
    """Read what a process logs until these words.

    Raises:
        SystemExit: It ended before.
    """
    said = b""
    while process.stderr is not None and (line := process.stderr.readline()):
        said += line
        if words in line:
            if b"/torch/" in Path(f"/proc/{process.pid}/maps").read_bytes():
                raise SystemExit("torch was loaded")
            return
    raise SystemExit(f"the process ended: {said.decode()}")


def _resident_mb(pid: int) -> float:
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return round(int(found[1]) / 1024, 1) if found else 0.0


def _children(pid: int) -> list[int]:
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _table(results: dict[str, object]) -> Table:
    table = Table(title="The start of detect", title_justify="left")
    table.add_column("what")
    table.add_column("measured", justify="right")
    table.add_column("at most", justify="right")
    for name, value in results.items():
        limit = {"s": f"{MOST_S:g} s", "detect_without_engine_mb": f"{MOST_MB:g} MB"}
        table.add_row(name, str(value), limit.get(name, limit["s"] if name[-2:] == "_s" else ""))
    return table


if __name__ == "__main__":
    main()
