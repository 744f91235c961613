"""The bundle's engines on this GPU: how long they take to build, what they compute, how fast."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeclip.contract.binding import slots_to_bind
from edgeclip.contract.bundle import BundleManifest, read_bundle
from edgeclip.contract.cuda_memory import CudaMemory
from edgeclip.contract.engine_gate import Outputs, engine_parity
from edgeclip.contract.engine_host import EngineHost
from edgeclip.contract.engine_key import Precision
from edgeclip.contract.engine_runner import EngineRunner
from edgeclip.packs import Pack, load_pack
from edgeclip_export.config import EngineConfig
from edgeclip_export.engine_files import prepare_engine
from edgeclip_export.progress import SilentProgress
from edgeclip_export.tensorrt_runtime import module_name

RUNGS: tuple[Precision, ...] = ("fp16", "fp16-attn32", "fp32")
_SWAPS = 100
_RELOADS = 3

Images = NDArray[np.uint8]


@dataclass(frozen=True)
class Bundle:
    """A bundle with its one pack, as a device would bind it."""

    folder: Path
    manifest: BundleManifest
    pack: Pack

    @staticmethod
    def read(folder: Path) -> Bundle:
        """Return the bundle of a folder."""
        manifest = read_bundle(folder)
        return Bundle(folder, manifest, load_pack(folder / manifest.packs[0].path))

    @property
    def slots(self) -> Mapping[str, NDArray[np.float32]]:
        """The pack's tensors, neutral ones where it has none."""
        return slots_to_bind(self.manifest, self.pack.tensors)


def build(bundle: Bundle, rung: Precision) -> tuple[Path, dict[str, Any]]:
    """Return the engine of a rung and what its sidecar says of the build."""
    config = EngineConfig(precision=rung)
    result = prepare_engine(bundle.folder, config, SilentProgress(), lambda _: None)
    sidecar = result.sidecar
    return result.path, {
        "build_s": sidecar.build_s,
        "size_mb": round(result.path.stat().st_size / 1e6, 1),
        "peak_rss_mb": sidecar.peak_rss_mb,
    }


@contextmanager
def running(engine: Path) -> Iterator[EngineRunner]:
    """Yield a runner of an engine; its memory is given back."""
    host = EngineHost.of("tensorrt_rtx" if module_name() == "tensorrt_rtx" else "tensorrt")
    runner = EngineRunner(engine.read_bytes(), engine.name, host.api, CudaMemory())
    try:
        yield runner
    finally:
        runner.close()


def parity(bundle: Bundle, runner: EngineRunner) -> dict[str, Any]:
    """Return how far an engine lies from the golden outputs, which torch computed in FP32."""
    golden = bundle.pack.golden
    found = outputs(runner, golden.images)
    first = Outputs(golden.image_features, golden.probabilities)
    tolerance = bundle.manifest.tolerance
    judged = engine_parity(first, found, bundle.pack.manifest, tolerance)
    return {**judged.figures(), "beyond_tolerance": judged.problems(tolerance)}


def outputs(runner: EngineRunner, images: Images) -> Outputs:
    """Return what an engine computes for all images, in as large batches as it takes."""
    most = runner.most_images
    found = [
        runner.run(images[start : start + most], ("image_features", "probabilities"))
        for start in range(0, len(images), most)
    ]
    features, probabilities = (
        np.concatenate([part[name] for part in found])
        for name in ("image_features", "probabilities")
    )
    return Outputs(features, probabilities)


def swaps(bundle: Bundle, engine: Path) -> dict[str, float]:
    """Return ms of binding another pack and its first answer, against loading the engine again.

    Two packs take turns, the second with a class more and a smaller hidden layer: shapes change.
    """
    first, second = bundle.slots, _smaller(bundle)
    image = bundle.pack.golden.images[:1]
    with running(engine) as runner:
        turns = itertools.cycle((second, first))

        def swap() -> None:
            """Bind the pack whose turn it is, and ask it."""
            runner.bind(next(turns))
            runner.run(image, ("probabilities",))

        runner.bind(first)
        runner.run(image, ("probabilities",))
        bind = _median_ms(swap, _SWAPS)

    def reload() -> None:
        with running(engine) as again:
            again.bind(bundle.slots)
            again.run(image, ("probabilities",))

    load = _median_ms(reload, _RELOADS)
    return {"swap_ms": bind, "reload_ms": load, "reload_over_swap": load / bind}


def _smaller(bundle: Bundle) -> Mapping[str, NDArray[np.float32]]:
    """Return the slots of another pack: half of the hidden layer, the last class twice."""
    own = dict(bundle.pack.tensors)
    half = own["va_down"].shape[1] // 2
    own["va_down"], own["va_up"] = own["va_down"][:, :half].copy(), own["va_up"][:half].copy()
    weights = own["class_weights"]
    own["class_weights"] = np.concatenate([weights, weights[:, -1:]], axis=1)
    return slots_to_bind(bundle.manifest, own)


def _median_ms(call: Callable[[], object], rounds: int) -> float:
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        call()
        times.append(1000 * (time.perf_counter() - began))
    return float(np.median(times))
