"""How fast a bundle computes here, beside other ways to run the same encoder and head."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from edgeclip.contract.binding import slots_to_bind
from edgeclip.contract.bundle import BundleManifest, find_pack, read_bundle
from edgeclip.contract.engine_host import EngineHost
from edgeclip.contract.engine_record import keep_benchmark
from edgeclip.errors import ConfigError
from edgeclip.packs import load_pack
from edgeclip_export.bandwidth import floor_ms, memory_gb_s
from edgeclip_export.benchmark_result import BenchmarkResult
from edgeclip_export.board import Board, read_board
from edgeclip_export.config import BenchmarkConfig
from edgeclip_export.latency import Latency, measure
from edgeclip_export.own_backends import OwnBackend, OwnSettings, open_backends
from edgeclip_export.rival_calls import Rivals
from edgeclip_export.verify import HOSTS

Images = NDArray[np.uint8]


def run_benchmark(
    config: BenchmarkConfig,
    advance: Callable[[], object] = lambda: None,
    *,
    hosts: Mapping[str, EngineHost] = HOSTS,
    board: Board | None = None,
) -> BenchmarkResult:
    """Return the latencies of a bundle, and of what it is compared with.

    Args:
        config: What is measured.
        advance: Called after each round of each batch size.
        hosts: The runtimes of engines, by backend.
        board: The machine; None reads this one.

    Raises:
        ConfigError: A batch is beyond what the bundle was made for.
        BundleMissingError: There is no bundle.
        BundleDamagedError: A file of it is missing or altered.
        BundleMismatchError: It is for other software, or has no engine for a named backend.
        SetupError: The named backend, or every one, is not installed.
        BackendError: A backend cannot run the graph.
    """
    manifest = read_bundle(config.bundle)
    _refuse_large(manifest, config.batches)
    pack = load_pack(config.bundle / find_pack(manifest, None).path)
    slots, images = slots_to_bind(manifest, pack.tensors), pack.golden.images
    settings = OwnSettings(
        config.bundle, config.backend, config.threads, images[:1], max(config.batches), hosts
    )
    with ExitStack() as stack:
        own, absent = open_backends(manifest, slots, settings)
        for backend in own:
            stack.callback(backend.close)
        rivals = Rivals(manifest, slots, config, Path(stack.enter_context(TemporaryDirectory())))
        latencies = _latencies(config, own, rivals, images, advance)
        gpu_mb = {each.name: each.gpu_bytes() / 2**20 for each in own if each.gpu_bytes}
    result = BenchmarkResult(
        latencies, absent | rivals.absent, {each.name: each.memory_mb for each in own}, gpu_mb,
        _weights_bytes(manifest), f"{pack.manifest.task}@{pack.manifest.version}",
        _floors_ms(own, memory_gb_s(board or read_board())),
    )  # fmt: skip
    for each in own:
        if each.engine:
            keep_benchmark(*each.engine, result.figures(each.name))
    return result


def _latencies(
    config: BenchmarkConfig,
    own: Sequence[OwnBackend],
    rivals: Rivals,
    images: Images,
    advance: Callable[[], object],
) -> dict[tuple[str, int], Latency]:
    """Measure batch by batch; within one, all variants take turns."""
    latencies: dict[tuple[str, int], Latency] = {}
    for batch in config.batches:
        given = np.resize(images, (batch, *images.shape[1:]))
        calls: dict[str, Callable[[], object]] = {b.name: partial(b.call, given) for b in own}
        calls |= rivals.calls(given)
        found = measure(calls, config.rounds, batch, advance=advance)
        latencies |= {(name, batch): item for name, item in found.items()}
    return latencies


def _floors_ms(own: Sequence[OwnBackend], gb_s: float | None) -> dict[str, float]:
    if gb_s is None:
        return {}
    read = {backend.name: backend.weights_bytes for backend in own}
    return {name: floor_ms(size, gb_s) for name, size in read.items() if size is not None}


def _refuse_large(manifest: BundleManifest, batches: Sequence[int]) -> None:
    most = manifest.profiles["B"].max
    if wrong := [batch for batch in batches if not 1 <= batch <= most]:
        raise ConfigError(
            f"--batch {wrong[0]}: the bundle was made for 1 to {most}: export it with --max-batch"
        )


def _weights_bytes(manifest: BundleManifest) -> int:
    """Return the bytes of the image tower in half precision: an engine reads each once a call."""
    return 2 * manifest.base.params
