"""Let a day of events pass in minutes, and see whether any process's memory grows.

    python -m benchmarks.soak [--hours 24] [--per-hour 180] [--rate 20]

A real outbox, uplink, mosquitto and dashboard, without faults: a day of detections is committed,
sent and receipted at --rate a second, a snapshot with every tenth. Resident memory is read each
half second. The first third warms up; over the rest the slope is the median of the slopes between
all pairs of readings (Theil 1950, Sen 1968). It is within noise where over the day it comes to less
than the readings scatter about their line. Exit code 3 if one is not.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.stats import theilslopes

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))  # broker, dashboard and sample are the tests' own

from benchmarks.chaos import machine  # noqa: E402 - after the path
from benchmarks.chaos_case.world import World  # noqa: E402 - likewise

RESULTS = ROOT / "benchmarks/results/soak.json"
_EVERY_S = 0.5
_WARM_UP = 1 / 3
_PATIENCE_S = 900.0
_MISSED = 3


@dataclass(frozen=True)
class Memory:
    """How a process's resident memory went.

    Attributes:
        median_mb: After the warm-up.
        growth_mb: Over the whole day, by the slope after the warm-up.
        growth_low_mb: Lower end of its 95 % interval.
        growth_high_mb: Upper end.
        scatter_mb: Twice the standard deviation of the readings about their line.
    """

    median_mb: float
    growth_mb: float
    growth_low_mb: float
    growth_high_mb: float
    scatter_mb: float

    @property
    def is_flat(self) -> bool:
        """Whether it does not grow, as far as the readings can tell."""
        return self.growth_low_mb <= 0 or self.growth_mb <= self.scatter_mb


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print the table, write the results; return the exit code."""
    options = _options(arguments)
    detections = round(options.hours * options.per_hour)
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder), options.seed, detections, options.rate)
        try:
            seconds, readings = watch(world, detections)
        finally:
            world.stop()
    found = {name: memory_of(rows) for name, rows in readings.items()}
    asked = {"hours": options.hours, "detections": detections, "rate": options.rate}
    document = machine() | asked | {"seconds": round(seconds, 1)}
    document |= {"processes": {name: asdict(m) | {"flat": m.is_flat} for name, m in found.items()}}
    options.out.write_text(json.dumps(document, indent=2) + "\n")
    Console().print(_table(found, f"{options.hours:g} h of events in {seconds:.0f} s"))
    return 0 if all(memory.is_flat for memory in found.values()) else _MISSED


def watch(world: World, detections: int) -> tuple[float, Mapping[str, NDArray[np.float64]]]:
    """Return how long it took, and name -> `(N, 2)` of part of the day done and MB resident.

    Raises:
        RuntimeError: A process ended of itself.
        TimeoutError: Not all was receipted in time.
    """
    readings: dict[str, list[tuple[float, float]]] = defaultdict(list)
    began = time.monotonic()
    world.start_all(detections)
    while not (world.has_committed(detections) and world.is_receipted()):
        if time.monotonic() - began > _PATIENCE_S + detections:
            raise TimeoutError("the day did not end")
        done = world.count_committed() / detections
        for name, pid in world.pids().items():
            if done < 1 and (held := _resident_mb(pid)):
                readings[name].append((done, held))
        time.sleep(_EVERY_S)
    seconds = time.monotonic() - began
    return seconds, {name: np.asarray(rows) for name, rows in readings.items()}


def memory_of(readings: NDArray[np.float64]) -> Memory:
    """Return how memory went, from `(N, 2)` of part of the day done and MB resident."""
    part, held = readings[readings[:, 0] >= _WARM_UP].T
    slope, intercept, low, high = theilslopes(held, part)
    scatter = 2 * float(np.std(held - (intercept + slope * part)))
    return Memory(float(np.median(held)), float(slope), float(low), float(high), scatter)


def _resident_mb(pid: int) -> float | None:
    """Return the resident memory of a process, MB; None once it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return None
    kilobytes = [line.split()[1] for line in lines if line.startswith("VmRSS")]
    return int(kilobytes[0]) / 1024 if kilobytes else None


def _table(found: Mapping[str, Memory], title: str) -> Table:
    table = Table("process", "resident, MB", "growth over the day, MB", "scatter, MB", "flat")
    table.title = title
    for name, memory in found.items():
        interval = f"({memory.growth_low_mb:+.2f} to {memory.growth_high_mb:+.2f})"
        table.add_row(
            name,
            f"{memory.median_mb:.1f}",
            f"{memory.growth_mb:+.2f} {interval}",
            f"{memory.scatter_mb:.2f}",
            "yes" if memory.is_flat else "NO",
        )
    return table


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hours", type=float, default=24.0, help="of events")
    parser.add_argument(
        "--per-hour", type=float, default=180.0, help="detections, of a busy camera"
    )
    parser.add_argument("--rate", type=float, default=20.0, help="detections a second, at most")
    parser.add_argument("--seed", type=int, default=1, help="of the detections")
    parser.add_argument("--out", type=Path, default=RESULTS)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
