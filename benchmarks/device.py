"""Measure the device side by side in one run: a frame's budget, gates, commits, a replay, a bind.

    python -m benchmarks.device [--bundle BUNDLE --clip CLIP] [--clips FOLDER] [--quick]

Rendered clips are kept in the folder of `--clips`, where one is named; real bursts are used where
the real images are. Without a bundle the tests' tiny one and a drawn clip are used: ratios of the
gate to the classifier then say little about a real encoder, and the table says so. All figures are
of one machine.
"""

from __future__ import annotations

import argparse
import json
import platform
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.device_case.budget import FULL_HD, frame_budget
from benchmarks.device_case.bursts import gates_on_bursts, real_data
from benchmarks.device_case.gates import gates_on_clips
from edgeclip.contract.detection import new_id
from edgeclip_device.backends.choosing import open_backend
from edgeclip_device.classifier import Classifier
from edgeclip_device.clock import SystemClock
from edgeclip_device.config import DeviceSettings, OutboxSettings, load_settings
from edgeclip_device.database import open_database, transaction
from edgeclip_device.motion.gate import MotionGate
from edgeclip_device.motion.settings import MotionSettings
from edgeclip_device.outbox import Outbox
from edgeclip_device.pack_router import PackRouter
from edgeclip_device.packs import load_pack
from edgeclip_device.replay import ReplayOptions, replay

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))  # the tiny bundle and the drawn clip are the tests' own

from support.drawn_clips import crossing, write_video  # noqa: E402 - after the path
from support.samples import detection  # noqa: E402 - likewise
from support.tiny_bundle import write_tiny_bundle  # noqa: E402 - likewise

RESULTS = ROOT / "benchmarks/results/device.json"
BATCH = 20
CROP = (0.4, 0.4, 0.2, 0.2)


@dataclass(frozen=True)
class Inputs:
    """What is measured with."""

    bundle: Path
    clip: Path
    is_tiny: bool
    rounds: int


def main() -> None:
    """Measure, print a table, and write the results."""
    options = _options()
    with tempfile.TemporaryDirectory() as folder:
        inputs = _inputs(options, Path(folder))
        seconds = 30.0 if options.quick else 45.0
        clips = gates_on_clips(options.clips or Path(folder), seconds)
        bursts = gates_on_bursts(real) if (real := real_data()) else {}
        results: dict[str, Any] = {
            "machine": f"{platform.machine()}, {platform.python_version()}",
            "bundle": "tiny" if inputs.is_tiny else load_pack(_settings(inputs).inference).name,
            "budget": frame_budget(
                load_pack(_settings(inputs).inference),
                _settings(inputs).model_copy(update={"state": Path(folder) / "budget"}),
                max(3, inputs.rounds // 4),
            ),
            "frame": frame_costs(inputs),
            "commits": commit_rates(Path(folder), inputs.rounds),
            "pack": pack_costs(inputs),
            "replay": replay_rate(inputs, Path(folder)),
            "gates_on_clips": clips,
            "gates_on_bursts": bursts,
        }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    Console().print(_table(results))
    for name, gates in {**clips, **bursts}.items():
        Console().print(_gates_table(name, gates))


def frame_costs(inputs: Inputs) -> dict[str, float]:
    """Return ms of this thread for the gate and the classifier, for one 1080p frame each."""
    settings = _settings(inputs)
    pack = load_pack(settings.inference)
    backend = open_backend(pack, settings.inference)
    classifier, frames = Classifier(backend, PackRouter.of_one(pack)), _frames(20)
    gates = {name: _gate(name) for name in ("mog2", "average", "difference")}
    turn = {"n": 0}

    def judge(name: str) -> None:
        turn["n"] += 1
        gates[name].judge(frames[turn["n"] % len(frames)], turn["n"] / 5)

    measured = {f"gate_{name}_ms": _least_ms(partial(judge, name), inputs.rounds) for name in gates}
    whole = _least_ms(lambda: classifier.classify(frames[0], None), inputs.rounds)
    both = _least_ms(lambda: classifier.classify(frames[0], CROP), inputs.rounds)
    backend.close()
    return measured | {
        "classify_whole_ms": whole,
        "classify_whole_and_crop_ms": both,
        "gate_mog2_to_classify": measured["gate_mog2_ms"] / both,
    }


def commit_rates(folder: Path, rounds: int) -> dict[str, float]:
    """Return detections committed a second, one by one and in batches of 20, on this disk."""
    count = rounds * BATCH
    latencies: list[float] = []
    with closing(Outbox(folder / "single", OutboxSettings(), SystemClock())) as outbox:

        def emit(n: int) -> None:
            news = detection(detection_id=new_id(n))
            latencies.append(_seconds(lambda: outbox.emit(news)) * 1000)

        single = _rate(count, emit)
    with closing(open_database(folder / "batch")) as connection:
        batched = _rate(rounds, lambda n: _insert_batch(connection, n)) * BATCH
    return {
        "single_per_s": single,
        "single_p50_ms": median(latencies),
        "batch_of_20_per_s": batched,
        "batch_to_single": batched / single,
    }


def _insert_batch(connection: sqlite3.Connection, batch: int) -> None:
    """Insert rows of the same size as `emit` does, in one transaction."""
    with transaction(connection):
        for seq in range(batch * BATCH + 1, batch * BATCH + BATCH + 1):
            payload = detection(seq, 0, new_id(seq)).to_json()
            connection.execute(
                "INSERT INTO outbox (seq, message_id, kind, priority, topic, payload, qos, retain,"
                " created_at, created_boot_ns, boot_id, size_bytes)"
                " VALUES (?, ?, 'detection', 2, 'topic', ?, 1, 0, '', 0, '', ?)",
                (seq, str(seq), payload, len(payload)),
            )


def pack_costs(inputs: Inputs) -> dict[str, float]:
    """Return ms for binding a pack again, against loading the graph again."""
    settings = _settings(inputs)
    pack = load_pack(settings.inference)
    backend = open_backend(pack, settings.inference)
    bind = _least_ms(lambda: backend.bind(pack.slots), inputs.rounds)
    backend.close()
    reload = _least_ms(lambda: open_backend(pack, settings.inference).close(), 5)
    return {"bind_ms": bind, "reload_ms": reload, "reload_to_bind": reload / bind}


def replay_rate(inputs: Inputs, folder: Path) -> dict[str, float]:
    """Return frames a second of a whole replay into the outbox, as fast as possible."""
    settings = _settings(inputs).model_copy(update={"state": folder / "replay"})
    result = replay(settings, ReplayOptions())
    return {
        "frames": float(result.gate.frames),
        "classified": float(result.counts.classified),
        "frames_per_s": result.gate.frames / result.seconds,
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bundle", type=Path, help="a real bundle; without it the tests' tiny one")
    parser.add_argument("--clip", type=Path, help="what to replay; without it a drawn clip")
    parser.add_argument("--clips", type=Path, help="where rendered clips are kept")
    parser.add_argument("--quick", action="store_true", help="few rounds: to see that it runs")
    return parser.parse_args()


def _inputs(options: argparse.Namespace, folder: Path) -> Inputs:
    return Inputs(
        bundle=options.bundle or write_tiny_bundle(folder / "bundle"),
        clip=options.clip or write_video(folder / "clip.mp4", crossing()),
        is_tiny=options.bundle is None,
        rounds=5 if options.quick else 40,
    )


def _settings(inputs: Inputs) -> DeviceSettings:
    inference = {"bundle": inputs.bundle, "backend": "onnxruntime", "threads": 1}
    return load_settings(None, {"camera": {"source": str(inputs.clip)}, "inference": inference})


def _gate(algorithm: str) -> MotionGate:
    return MotionGate(MotionSettings.model_validate({"algorithm": algorithm}))


def _frames(count: int) -> list[NDArray[np.uint8]]:
    """Return grainy 1080p frames that differ a little from each other."""
    draw = np.random.default_rng(0)
    still = draw.integers(60, 120, (*FULL_HD, 3))
    noise = [draw.integers(-6, 7, (*FULL_HD, 1)) for _ in range(4)]
    return [np.asarray(still + noise[n % 4], np.uint8) for n in range(count)]


def _least_ms(work: Callable[[], object], rounds: int) -> float:
    """Return the least ms of this thread: on a shared machine the wall time varies fourfold."""
    work()
    return min(_thread_seconds(work) for _ in range(rounds)) * 1000


def _thread_seconds(work: Callable[[], object]) -> float:
    began = time.thread_time()
    work()
    return time.thread_time() - began


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _rate(count: int, work: Callable[[int], object]) -> float:
    """Return how many calls a second, by the clock on the wall: commits wait for the disk."""
    began = time.perf_counter()
    for n in range(count):
        work(n)
    return count / (time.perf_counter() - began)


def _table(results: dict[str, Any]) -> Table:
    table = Table(title=f"Device, bundle {results['bundle']}", title_justify="left")
    table.add_column("what")
    table.add_column("measured", justify="right")
    for part in ("budget", "frame", "commits", "pack", "replay"):
        for name, value in results[part].items():
            table.add_row(f"{part}: {name}", f"{value:,.3g}" if value < 100 else f"{value:,.0f}")
    return table


def _gates_table(name: str, gates: dict[str, dict[str, float]]) -> Table:
    table = Table(title=name, title_justify="left")
    table.add_column("gate")
    for column in next(iter(gates.values())):
        table.add_column(column.replace("_", " "), justify="right")
    for gate, figures in gates.items():
        table.add_row(gate, *(f"{value:.3g}" for value in figures.values()))
    return table


if __name__ == "__main__":
    main()
