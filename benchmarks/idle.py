"""Measure what resting saves: CPU share of a detect that watches, and of one that rests.

    python -m benchmarks.idle [--seconds 20] [--quick]

Both are real processes with the tests' tiny bundle and scripted camera (small frames, 50 a second,
of which 5 are looked at); the share is of one core, capture process included. A real camera costs
more while it watches, and a board's watts are another matter.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))  # the tiny bundle and the scripted camera are the tests'

from support.drawn_clips import ground, write_image  # noqa: E402 - after the path
from support.tiny_bundle import write_tiny_bundle  # noqa: E402 - after the path

RESULTS = ROOT / "benchmarks/results/idle.json"
WARM_UP_S = 10.0
MODES = {
    "watches": 'mode = "continuous"',
    "rests by its hours": 'mode = "windowed"\nwindows = ["{hour}"]',
    "waits for a file": 'mode = "triggered"\ntrigger = "{state}/pin"\nawake_s = 1.0',
    "waits for a socket": 'mode = "triggered"\ntrigger = "socket:{state}/trigger"\nawake_s = 1.0',
}


def main() -> None:
    """Measure, print a table, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20.0, help="of each measurement")
    parser.add_argument("--quick", action="store_true", help="3 s each: to see that it runs")
    options = parser.parse_args()
    seconds = 3.0 if options.quick else options.seconds
    with tempfile.TemporaryDirectory() as folder:
        bundle = write_tiny_bundle(Path(folder) / "bundle")
        shares = {
            name: cpu_share(Path(folder) / str(n), bundle, power, seconds)
            for n, (name, power) in enumerate(MODES.items())
        }
    machine = f"{platform.machine()}, {platform.python_version()}"
    RESULTS.write_text(json.dumps({"machine": machine, "cpu_pct": shares}, indent=2) + "\n")
    Console().print(_table(shares))


def cpu_share(folder: Path, bundle: Path, power: str, seconds: float) -> float:
    """Return the CPU time of one detect and its capture process, % of one core."""
    folder.mkdir()
    (folder / "pin").write_text("0\n")
    away = (time.gmtime().tm_hour + 12) % 24
    table = power.format(hour=f"{away:02d}:00-{away:02d}:30", state=folder)
    image = write_image(folder / "replaced.png", ground())  # opened, and replaced by the camera
    config = folder / "device.toml"
    config.write_text(
        f'state = "{folder}/state"\n[camera]\nsource = "{image}"\n'
        f'[inference]\nbundle = "{bundle}"\nbackend = "onnxruntime"\n'
        f"[clock]\nrtc_has_battery = true\n[power]\n{table}\n"
    )
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks._idle_detect", str(config), str(folder)],
        cwd=ROOT,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            time.sleep(WARM_UP_S)
            before = _cpu_s(process.pid)
            time.sleep(seconds)
            return round(100 * (_cpu_s(process.pid) - before) / seconds, 2)
        finally:
            process.terminate()


def _cpu_s(pid: int) -> float:
    """Return the CPU seconds of a process and of all its children, also of those that ended."""
    ticks, pids = 0, [pid]
    for child in Path("/proc").glob("[0-9]*/stat"):
        fields = _stat(child)
        if fields and int(fields[1]) == pid:
            pids.append(int(child.parent.name))
    for item in pids:
        if fields := _stat(Path(f"/proc/{item}/stat")):
            ticks += sum(map(int, fields[11:15]))  # utime, stime, and those of ended children
    return ticks / os.sysconf("SC_CLK_TCK")


def _stat(path: Path) -> list[str]:
    """Return the fields after the name, whose spaces would shift them."""
    try:
        return path.read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _table(shares: dict[str, float]) -> Table:
    table = Table(title="CPU of detect, % of one core", title_justify="left")
    table.add_column("what it does")
    table.add_column("share", justify="right")
    for name, share in shares.items():
        table.add_row(name, f"{share:.2f} %")
    return table


if __name__ == "__main__":
    main()
