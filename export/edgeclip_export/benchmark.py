"""How fast a bundle computes here, beside other ways to run the same encoder and head."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeclip.contract.binding import slots_to_bind
from edgeclip.contract.bundle import BundleManifest, find_pack, read_bundle
from edgeclip.contract.pack import read_pack_manifest
from edgeclip.errors import ConfigError, EdgeclipError, GateError
from edgeclip.packs import load_pack
from edgeclip_export.config import BundleConfig
from edgeclip_export.latency import Latency, measure
from edgeclip_export.ort_graph import OrtGraph

BUNDLE = "this bundle"
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
    """

    bundle: Path
    batches: Sequence[int] = (1, 4)
    rounds: int = 50
    threads: int = 0
    compare: bool = True
    compiled: bool = True
    backbone: str | None = None
    pretrained: str | None = None


@dataclass(frozen=True)
class BenchmarkResult:
    """What was measured.

    Attributes:
        latencies: By variant and batch.
        absent: Variant -> why it is not there.
        memory_mb: Resident memory that the bundle's graph took when it was loaded and first run.
        weights_bytes: That one call reads at least.
        pack: `task@version` of the pack that was bound.
    """

    latencies: Mapping[tuple[str, int], Latency]
    absent: Mapping[str, str]
    memory_mb: float
    weights_bytes: int
    pack: str

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        rows = [
            {
                "variant": variant,
                "batch": batch,
                **{f"p{p}_ms": round(item.percentile(p / 100), 3) for p in (50, 95, 99)},
                "images_per_second": round(item.images_per_second, 2),
                "times_of_bundle": round(
                    item.percentile(0.5) / self.latencies[BUNDLE, batch].percentile(0.5), 3
                ),
            }
            for (variant, batch), item in self.latencies.items()
        ]
        return {
            "pack": self.pack, "rows": rows, "absent": dict(self.absent),
            "memory_mb": round(self.memory_mb, 1), "weights_bytes": self.weights_bytes,
        }  # fmt: skip


def run_benchmark(
    config: BenchmarkConfig, advance: Callable[[], object] = lambda: None
) -> BenchmarkResult:
    """Return the latencies of a bundle, and of what it is compared with.

    Args:
        config: What is measured.
        advance: Called after each round of each batch size.

    Raises:
        ConfigError: A batch is beyond what the bundle was made for.
        BundleMissingError: There is no bundle.
        BundleDamagedError: A file of it is missing or altered.
        BundleMismatchError: It is for other software.
        SetupError: ONNX Runtime is not installed.
        BackendError: It cannot run the graph.
    """
    manifest = read_bundle(config.bundle)
    _refuse_large(manifest, config.batches)
    pack = load_pack(config.bundle / find_pack(manifest, None).path)
    slots = slots_to_bind(manifest, pack.tensors)
    file = manifest.graph_for("onnxruntime").file
    before = resident_mb()
    graph = OrtGraph(config.bundle / file, threads=config.threads, most_images=max(config.batches))
    images = pack.golden.images
    graph.run(images[:1], slots)
    memory = resident_mb() - before
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        rivals = Rivals(manifest, slots, config, folder)
        latencies: dict[tuple[str, int], Latency] = {}
        for batch in config.batches:
            own = np.resize(images, (batch, *images.shape[1:]))
            calls: dict[str, Callable[[], object]] = {BUNDLE: partial(graph.run, own, slots)}
            calls |= rivals.calls(own)
            found = measure(calls, config.rounds, batch, advance=advance)
            latencies |= {(name, batch): item for name, item in found.items()}
    return BenchmarkResult(
        latencies, rivals.absent, memory, _weights_bytes(manifest),
        f"{pack.manifest.task}@{pack.manifest.version}",
    )  # fmt: skip


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


def require_fast(result: BenchmarkResult, floor: Mapping[str, float]) -> None:
    """Check floors such as `{"fps": 5}` or ceilings such as `{"p95_ms": 200}` at the least batch.

    Raises:
        GateError: The bundle is slower.
    """
    batch = min(size for name, size in result.latencies if name == BUNDLE)
    item = result.latencies[BUNDLE, batch]
    for name, limit in floor.items():
        if name == "fps":
            found, held = item.images_per_second, item.images_per_second >= limit
        else:
            found = item.percentile(int(name[1:-3]) / 100)
            held = found <= limit
        if not held:
            raise GateError(
                f"{name} is {found:.2f} at batch {batch}, asked for {limit:g}: take a smaller"
                " encoder, a faster backend, or lower --fail-below"
            )


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
