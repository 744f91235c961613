"""Kill, cut and mislead everything between an outbox and a dashboard, and count what arrives.

    python -m benchmarks.chaos [--detections 5000] [--repeats 5] [--rate 25] [--seed 1]

Real processes: what emits into a real outbox, the uplink, mosquitto and the dashboard are killed
with SIGKILL in turn; the broker's stored sessions are deleted; the network between uplink and
broker is cut or falls silent; the device's clock jumps by ten years both ways. The plan is the
same for the same seed; what is in flight at each moment is the machine's affair. At the end one
detection is taken out of the outbox behind the uplink's back: the dashboard has to show that gap.
Exit code 3 if anything is lost or there twice, or if a gap is not shown.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))  # broker, dashboard and sample are the tests' own

from benchmarks.chaos_case.counting import (  # noqa: E402 - after the path
    Watch,
    committed_twice,
    read_arrived,
    years_of,
)
from benchmarks.chaos_case.device import id_of  # noqa: E402 - likewise
from benchmarks.chaos_case.plan import FAULTS, Strike, plan  # noqa: E402 - likewise
from benchmarks.chaos_case.world import World  # noqa: E402 - likewise

RESULTS = ROOT / "benchmarks/results/chaos.json"
PATIENCE_S = 600.0
_SHOWN_S = 30.0
_MISSED = 3


@dataclass(frozen=True)
class Result:
    """What a run showed.

    Attributes:
        faults: How often each struck.
        not_receipted: Rows and snapshots that still waited when patience was over.
        lost: Detections that `emit` took and the dashboard does not have.
        twice: Detections that it has more than once.
        committed_twice: Rows that were not in the outbox any more though `emit` had returned.
        snapshots_missing: Announced snapshots that never came.
        repeats_removed: Messages that came again and were recognised.
        rows_shown_missing: Rows that the dashboard showed as gaps until they came.
        gaps_left: Rows that it shows as missing when all is receipted.
        years: Of the device's clock when it committed: that the jumps were real.
        gap_is_shown: Whether it shows the one row that was taken out on purpose.
        quiet_after_s: From the last fault and detection until all was receipted.
    """

    detections: int
    seed: int
    rate: float
    faults: dict[str, int]
    not_receipted: int
    lost: int
    twice: int
    committed_twice: int
    snapshots: int
    snapshots_missing: int
    repeats_removed: int
    rows_shown_missing: int
    gaps_left: int
    years: list[int]
    gap_is_shown: bool
    quiet_after_s: float
    total_s: float

    @property
    def holds(self) -> bool:
        """Whether nothing was lost or doubled, and gaps were shown."""
        bad = (self.lost, self.twice, self.committed_twice, self.snapshots_missing, self.gaps_left)
        return not any((*bad, self.not_receipted)) and self.gap_is_shown


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print the table, write the results; return the exit code."""
    options = _options(arguments)
    strikes = plan(options.seed, options.detections, options.repeats, options.held)
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder), options.seed, options.detections, options.rate)
        try:
            result = run(world, options, strikes)
        finally:
            world.stop()
    document = machine() | asdict(result) | {"holds": result.holds}
    options.out.write_text(json.dumps(document, indent=2) + "\n")
    Console().print(_table(result))
    return 0 if result.holds else _MISSED


def run(world: World, options: argparse.Namespace, strikes: list[Strike]) -> Result:
    """Let all faults strike, wait until all is receipted, and count.

    Raises:
        RuntimeError: A process ended of itself.
        TimeoutError: Not all was committed in time, or the dashboard does not answer.
    """
    began = time.monotonic()
    watch = Watch(world.address)
    world.start_all(strikes[0].at)
    watch.start()
    _strike_all(world, options, strikes)
    struck = time.monotonic()
    waiting = _not_receipted(world, options.patience)
    quiet_s = time.monotonic() - struck
    left = _look(watch, lambda _: True)
    expected = {id_of(options.seed, n) for n in range(1, options.detections + 1)}
    arrived = read_arrived(world.database)
    again = committed_twice(world.committed)
    gap = options.detections + 2
    world.lose_one(options.detections + 1)
    shown = _look(watch, lambda rows: gap in rows)
    watch.stop()
    return Result(
        detections=options.detections,
        seed=options.seed,
        rate=options.rate,
        faults=dict(Counter(strike.fault for strike in strikes)),
        not_receipted=waiting,
        lost=arrived.lost(expected),
        twice=arrived.twice(expected),
        committed_twice=again,
        snapshots=arrived.snapshots,
        snapshots_missing=arrived.snapshots_missing,
        repeats_removed=sum(watch.duplicates.values()),
        rows_shown_missing=len(watch.missing - {gap}),
        gaps_left=len(left),
        years=years_of(world.committed),
        gap_is_shown=set(shown) - set(left) == {gap},
        quiet_after_s=round(quiet_s, 1),
        total_s=round(time.monotonic() - began, 1),
    )


def _strike_all(world: World, options: argparse.Namespace, strikes: list[Strike]) -> None:
    for strike, following in zip(strikes, [*strikes[1:], None], strict=True):
        _wait(partial(world.has_committed, strike.at), options.patience, "emitting")
        world.strike(strike, following.at if following else options.detections)
    _wait(partial(world.has_committed, options.detections), options.patience, "emitting")


def _not_receipted(world: World, patience_s: float) -> int:
    """Wait for the receipts, and return how many are missing when patience is over."""
    try:
        _wait(world.is_receipted, patience_s, "receipts")
    except TimeoutError:
        return world.count_waiting()
    return 0


def machine() -> dict[str, str]:
    """Return what runs this, and how busy it is."""
    return {
        "machine": f"{platform.machine()}, {platform.python_version()}",
        "load": f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} cores",
    }


def _wait(condition: Callable[[], bool], patience_s: float, what: str) -> None:
    deadline = time.monotonic() + patience_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} took more than {patience_s} s")
        time.sleep(0.05)


def _look(watch: Watch, is_enough: Callable[[list[int]], bool]) -> list[int]:
    """Return what the dashboard shows as missing, once it is there and that is enough."""
    deadline = time.monotonic() + _SHOWN_S
    shown: list[int] | None = None
    while time.monotonic() < deadline:
        try:
            shown = watch.look()
        except (OSError, ValueError):  # it was killed last, and starts
            time.sleep(0.2)
            continue
        if is_enough(shown):
            return shown
        time.sleep(0.2)
    if shown is None:
        raise TimeoutError(f"{watch.address} did not answer for {_SHOWN_S} s")
    return shown


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--detections", type=int, default=5000)
    parser.add_argument("--repeats", type=int, default=5, help="how often each fault strikes")
    parser.add_argument("--rate", type=float, default=25.0, help="detections a second, at most")
    parser.add_argument("--held", type=float, default=2.0, help="s a fault lasts, at most")
    parser.add_argument("--seed", type=int, default=1, help="of the plan and the detections")
    parser.add_argument("--patience", type=float, default=PATIENCE_S, help="s, for the receipts")
    parser.add_argument("--out", type=Path, default=RESULTS)
    return parser.parse_args(arguments)


def _table(result: Result) -> Table:
    title = f"{result.detections} detections, seed {result.seed}, {result.total_s:.0f} s"
    table = Table("fault or count", "times", title=title)
    for fault in FAULTS:
        table.add_row(fault, str(result.faults[fault]))
    table.add_section()
    for name, value in asdict(result).items():
        if name not in {"detections", "seed", "rate", "faults", "total_s"}:
            table.add_row(name.replace("_", " "), str(value))
    return table


if __name__ == "__main__":
    sys.exit(main())
