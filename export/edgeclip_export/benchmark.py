"""How fast a bundle computes here, beside other ways to run the same encoder and head."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from edgeclip.contract.binding import slots_to_bind
from edgeclip.contract.bundle import BundleManifest, find_pack, read_bundle
from edgeclip.contract.pack import read_pack_manifest
from edgeclip.errors import ConfigError, EdgeclipError
from edgeclip.packs import load_pack
from edgeclip_export.bandwidth import floor_ms, memory_gb_s
from edgeclip_export.benchmark_result import BenchmarkResult
from edgeclip_export.board import Board, read_board
from edgeclip_export.config import BundleConfig
from edgeclip_export.engine_verify import EngineHost
from edgeclip_export.latency import Latency, measure
from edgeclip_export.own_backends import OwnBackend, OwnSettings, open_backends
from edgeclip_export.verify import HOSTS

EAGER, COMPILED = "torch eager", "torch.compile"
PLAIN = "ONNX Runtime, encoder alone"

Images = NDArray[np.uint8]
Call = Callable[[Images], object]


@dataclass(frozen=True)
class BenchmarkConfig:
    """What is measured.

    Attributes:
        bundle: The folder.
        batches: Images a call, one or more sizes.
        rounds: Calls of each variant and size.
        threads: Of one operator; 0 leaves it to each library.
        compare: Whether torch and plain ONNX Runtime run beside it.
        compiled: Whether `torch.compile` does too, which compiles for minutes on a CPU.
        backbone: The encoder, where the bundle's name for it is not known here.
        pretrained: Its weights.
        backend: `ort`, `trt` or `rtx`; None for every one that is here.
    """

    bundle: Path
    batches: Sequence[int] = (1, 4)
    rounds: int = 50
    threads: int = 0
    compare: bool = True
    compiled: bool = True
    backbone: str | None = None
    pretrained: str | None = None
    backend: str | None = None


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
        config.bundle, config.backend, config.threads, max(config.batches), hosts
    )
    before = resident_mb()
    with ExitStack() as stack:
        own, absent = open_backends(manifest, slots, settings)
        for backend in own:
            stack.callback(backend.close)
            backend.call(images[:1])
        memory = resident_mb() - before
        rivals = Rivals(manifest, slots, config, Path(stack.enter_context(TemporaryDirectory())))
        latencies = _latencies(config, own, rivals, images, advance)
    gb_s = memory_gb_s(board or read_board())
    return BenchmarkResult(
        latencies, absent | rivals.absent, memory, _weights_bytes(manifest),
        f"{pack.manifest.task}@{pack.manifest.version}", _floors_ms(own, gb_s),
    )  # fmt: skip


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


class Rivals:
    """The other ways that work here, as calls; those that do not, with the reason.

    Args:
        manifest: Of the bundle.
        slots: The pack's tensors, all of them.
        config: Whether to compare; threads; where the encoder is.
        folder: For graphs, while they are used.
    """

    def __init__(
        self,
        manifest: BundleManifest,
        slots: Mapping[str, NDArray[np.float32]],
        config: BenchmarkConfig,
        folder: Path,
    ) -> None:
        self.absent: dict[str, str] = {}
        self._makers: dict[str, Callable[[Images], Call]] = {}
        if not config.compare:
            return
        try:
            self._makers = _makers(manifest, slots, config, folder)
        except (EdgeclipError, ImportError) as error:  # a Jetson has no torch
            self.absent = dict.fromkeys((EAGER, COMPILED, PLAIN), " ".join(str(error).split()))

    def calls(self, images: Images) -> dict[str, Callable[[], object]]:
        """Return what computes this batch."""
        calls: dict[str, Callable[[], object]] = {}
        for name, make in self._makers.items():
            if name in self.absent:
                continue
            try:
                calls[name] = partial(make(images), images)
            except EdgeclipError as error:
                self.absent[name] = str(error)
        return calls


def _makers(
    manifest: BundleManifest,
    slots: Mapping[str, NDArray[np.float32]],
    config: BenchmarkConfig,
    folder: Path,
) -> dict[str, Callable[[Images], Call]]:
    """Return variant -> (batch -> call); each is made once and kept."""
    import torch

    from edgeclip_export import rivals
    from edgeclip_export.encoder import load_encoder

    if manifest.baked:
        raise ConfigError("a pack is baked in: only bundles that bind packs are compared")
    if manifest.graph == "deep":
        raise ConfigError("adapters inside the tower: only heads are compared")
    if config.threads:
        torch.set_num_threads(config.threads)
    pack = read_pack_manifest(config.bundle / find_pack(manifest, None).path)
    names = BundleConfig(
        config.bundle, config.bundle, config.backbone, config.pretrained, overwrite=False
    )
    backbone = load_encoder(pack, names)
    eager = rivals.torch_eager(backbone, slots)
    plain = rivals.plain_onnxruntime(backbone, slots, folder, config.threads)
    makers: dict[str, Callable[[Images], Call]] = {EAGER: lambda _: eager, PLAIN: lambda _: plain}
    if config.compiled:
        makers[COMPILED] = lambda images: rivals.torch_compiled(backbone, slots, images)
    return makers


def resident_mb() -> float:
    """Return this process's resident memory, MiB; 0 where the system does not say."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS")), 0.0)


def _refuse_large(manifest: BundleManifest, batches: Sequence[int]) -> None:
    most = manifest.profiles["B"].max
    if wrong := [batch for batch in batches if not 1 <= batch <= most]:
        raise ConfigError(
            f"--batch {wrong[0]}: the bundle was made for 1 to {most}: export it with --max-batch"
        )


def _weights_bytes(manifest: BundleManifest) -> int:
    """Return the bytes of the image tower in half precision: an engine reads each once a call."""
    return 2 * manifest.base.params
