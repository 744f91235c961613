"""Engines on the GPU of this machine, against torch FP16 on the same one, in one run.

    python -m benchmarks.gpu [--tower ViT-B-32]

Exports an untrained encoder with an untrained pack (as fast as trained ones), builds the engine of
each rung with the TensorRT or TensorRT-RTX that is installed, and measures: parity with the golden
outputs and with torch on this GPU, latency at batch 1, 8 and 64, GPU time alone, swapping a pack
against loading the engine again. Without a GPU it says so and writes nothing.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.gpu_case.engines import (
    RUNGS,
    Bundle,
    Images,
    build,
    outputs,
    parity,
    running,
    swaps,
)
from benchmarks.gpu_case.packs import TOWERS, untrained_encoder, write_untrained_pack
from edgeclip.contract.engine_gate import engine_parity
from edgeclip.contract.engine_key import Precision
from edgeclip.contract.engine_runner import EngineRunner
from edgeclip.contract.files import write_text
from edgeclip.contract.gpu import Gpu, find_gpu
from edgeclip.contract.profiles import LEAST_IMAGES
from edgeclip.errors import EdgeclipError
from edgeclip_export.bundle_writer import write_bundle
from edgeclip_export.config import BundleConfig

if TYPE_CHECKING:
    from benchmarks.gpu_case.rivals import TorchModel
    from edgeclip.clip import Backbone

BATCHES = (1, 8, 64)
RESULTS = Path(__file__).parent / "results"
EAGER, GRAPH, ORT = "torch FP16", "torch FP16, CUDA graph", "ONNX Runtime, GPU"


def measure(tower: str, batches: Sequence[int], folder: Path) -> dict[str, Any]:
    """Return everything that is measured of one encoder.

    Args:
        tower: One of `TOWERS`.
        batches: Images a call.
        folder: For encoder, pack, bundle and engines while it runs.
    """
    encoder = untrained_encoder(tower, folder)
    write_untrained_pack(folder / "pack", encoder.backbone)
    config = BundleConfig(
        folder / "pack", folder / "bundle", str(encoder.config), str(encoder.weights),
        max_batch=max(LEAST_IMAGES, *batches),
    )  # fmt: skip
    began = time.perf_counter()
    write_bundle(config, lambda _: None)
    exported_s = time.perf_counter() - began
    bundle = Bundle.read(folder / "bundle")
    engines = {}
    for rung in RUNGS:
        if rung in {graph.rung for graph in bundle.manifest.graphs}:  # a RN50 has no attention
            engines[rung] = build(bundle, rung)
            print(f"{tower}: {rung} built, {engines[rung][1]}", flush=True)
    found: dict[str, Any] = {
        "export_s": round(exported_s, 1),
        "bundle_mb": round(sum(f.size_bytes for f in bundle.manifest.files.values()) / 1e6, 1),
        "engines": {rung: facts for rung, (_, facts) in engines.items()},
        "swap": swaps(bundle, engines["fp16"][0]),
    }
    paths = {rung: path for rung, (path, _) in engines.items()}
    return found | compared(bundle, encoder.backbone, paths, batches)


def compared(
    bundle: Bundle, backbone: Backbone, engines: Mapping[Precision, Path], batches: Sequence[int]
) -> dict[str, Any]:
    """Return parity and latencies of all engines, beside torch and ONNX Runtime."""
    from benchmarks.gpu_case import rivals

    model = rivals.TorchModel(backbone, bundle.slots)
    graph = bundle.folder / bundle.manifest.graph_for("onnxruntime").file
    plain = rivals.onnxruntime_gpu(graph, bundle.slots)
    with ExitStack() as stack:
        runners = {rung: stack.enter_context(running(path)) for rung, path in engines.items()}
        for runner in runners.values():
            runner.bind(bundle.slots)
        found: dict[str, Any] = {
            "absent": {ORT: plain} if isinstance(plain, str) else {},
            "memory": _memory(bundle),
            "parity": {rung: parity(bundle, runner) for rung, runner in runners.items()},
            "parity_with_torch_fp16": _against_torch(bundle, model, runners["fp16"]),
            "batches": {},
        }
        for batch in batches:
            frames = bundle.pack.golden.images
            images = np.ascontiguousarray(np.resize(frames, (batch, *frames.shape[1:])))
            own = _latencies(runners, model, plain, images)
            print(f"batch {batch}: {own}", flush=True)
            found["batches"][str(batch)] = own
    return found


def _memory(bundle: Bundle) -> dict[str, float]:
    """Return how fast the GPU reads, and the least time that reading the weights once takes."""
    from benchmarks.gpu_case import timing

    speed, weights = timing.bytes_per_second(), 2 * bundle.manifest.base.params
    return {
        "gb_per_second": round(speed / 1e9, 1),
        "weights_mb": round(weights / 1e6, 1),
        "floor_ms": round(1000 * weights / speed, 4),
    }


def _against_torch(bundle: Bundle, model: TorchModel, runner: EngineRunner) -> dict[str, float]:
    images, tolerance = bundle.pack.golden.images, bundle.manifest.tolerance
    ours, theirs = outputs(runner, images), model.run(images)
    return engine_parity(theirs, ours, bundle.pack.manifest, tolerance).figures()


def _latencies(
    runners: Mapping[Precision, EngineRunner],
    model: TorchModel,
    plain: Callable[[Images], object] | str,
    images: Images,
) -> dict[str, Any]:
    """Return both clocks of all variants on one batch."""
    from benchmarks.gpu_case import rivals, timing

    graph = rivals.TorchGraph(model, images)
    names = {rung: f"engine {rung}" for rung in runners}
    calls: dict[str, Callable[[], object]] = {
        names[rung]: partial(outputs, runner, images) for rung, runner in runners.items()
    }
    calls |= {EAGER: partial(model.run, images), GRAPH: partial(graph.run, images)}
    if not isinstance(plain, str):
        calls[ORT] = partial(plain, images)
    timing.warmed(calls)
    _settle(runners, images)
    on_gpu: dict[str, tuple[Callable[[], object], int]] = {
        names[rung]: (runner.enqueue, runner.stream) for rung, runner in runners.items()
    }
    wall = timing.wall_ms(calls)
    return {"wall": wall, "gpu_ms": timing.gpu_ms({**on_gpu, GRAPH: (graph.compute, 0)})}


def _settle(runners: Mapping[Precision, EngineRunner], images: Images) -> None:
    """Record batches of one anew: what was recorded first may be older, slower kernels."""
    if len(images) != 1:
        return
    pair = np.concatenate([images, images])
    for runner in runners.values():
        outputs(runner, pair)
        for _ in range(5):
            outputs(runner, images)


def show(tower: str, found: dict[str, Any]) -> None:
    """Print a table a person can read."""
    table = Table(title=f"{tower}: ms, median; GPU time alone beside it")
    columns = ["batch", "variant", "p50", "p95", "GPU", "images/s"]
    for column in columns:
        table.add_column(column)
    for batch, both in found["batches"].items():
        for name, wall in both["wall"].items():
            gpu = both["gpu_ms"].get(name)
            speed = int(batch) * 1000 / wall["p50_ms"]
            table.add_row(
                batch, name, f"{wall['p50_ms']:.3f}", f"{wall['p95_ms']:.3f}",
                "" if gpu is None else f"{gpu:.3f}", f"{speed:.0f}",
            )  # fmt: skip
    Console(width=100).print(table)


def about(gpu: Gpu) -> dict[str, str]:
    """Return what the figures hold for."""
    import torch

    from edgeclip_export.tensorrt_runtime import module_name, trt

    return {
        "gpu": gpu.name,
        "compute_capability": gpu.compute_capability,
        "runtime": f"{module_name()} {trt.__version__}",
        "torch": torch.__version__,
    }


def main() -> int:
    """Measure, print, write the JSON; 2 where there is no GPU."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--tower", nargs="+", choices=TOWERS, default=["ViT-B-32"])
    parser.add_argument("--batch", nargs="+", type=int, default=list(BATCHES))
    parser.add_argument("--out", type=Path, default=RESULTS / "gpu.json")
    given = parser.parse_args()
    gpu = find_gpu()
    if gpu is None:
        print("no GPU here: nothing is measured, nothing is written", file=sys.stderr)
        return 2
    try:
        measure_all(given, gpu)
    except EdgeclipError as error:
        print(f"{error}: nothing more is measured", file=sys.stderr)
        return 2
    return 0


def measure_all(given: argparse.Namespace, gpu: Gpu) -> None:
    """Measure one tower after the other; what is known is written after each."""
    found: dict[str, Any] = {"command": "python -m benchmarks.gpu", **about(gpu), "towers": {}}
    for tower in given.tower:
        with tempfile.TemporaryDirectory() as folder:
            own = measure(tower, given.batch, Path(folder))
        show(tower, own)
        found["towers"][tower] = own
        write_text(given.out, json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
