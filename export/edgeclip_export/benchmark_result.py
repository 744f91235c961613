"""What a benchmark of a bundle found, as JSON values and against floors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from edgeclip.errors import GateError
from edgeclip_export.latency import Latency
from edgeclip_export.own_backends import BUNDLE


@dataclass(frozen=True)
class BenchmarkResult:
    """What was measured.

    Attributes:
        latencies: By variant and batch.
        absent: Variant -> why it is not there.
        memory_mb: By variant that is the bundle: resident memory that loading it and its first
            run took, MiB.
        gpu_memory_mb: By variant that is an engine: what was less free of the GPU's memory in the
            end than before it was loaded, MiB; other programs count too.
        weights_bytes: That one call reads at least.
        pack: `task@version` of the pack that was bound.
        floors_ms: By variant, where the board is known: reading its weights once from memory.
    """

    latencies: Mapping[tuple[str, int], Latency]
    absent: Mapping[str, str]
    memory_mb: Mapping[str, float]
    gpu_memory_mb: Mapping[str, float]
    weights_bytes: int
    pack: str
    floors_ms: Mapping[str, float] = field(default_factory=dict)

    @property
    def first(self) -> str:
        """The variant that others are held against: the bundle's, on the first backend."""
        return next(name for name, _ in self.latencies if name.startswith(BUNDLE))

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        rows = [self._row(variant, batch) for variant, batch in self.latencies]
        return {
            "pack": self.pack, "rows": rows, "absent": dict(self.absent),
            "memory_mb": {name: round(mb, 1) for name, mb in self.memory_mb.items()},
            "gpu_memory_mb": {name: round(mb, 1) for name, mb in self.gpu_memory_mb.items()},
            "weights_bytes": self.weights_bytes,
            "memory_floor_ms": {name: round(ms, 3) for name, ms in self.floors_ms.items()},
        }  # fmt: skip

    def figures(self, variant: str) -> dict[str, float]:
        """Return what an engine's sidecar keeps of a variant: `b1_p50_ms` and the like."""
        return {
            f"b{batch}_p{p}_ms": round(item.percentile(p / 100), 3)
            for (name, batch), item in self.latencies.items()
            if name == variant
            for p in (50, 95, 99)
        }

    def _row(self, variant: str, batch: int) -> dict[str, Any]:
        item = self.latencies[variant, batch]
        median, floor = item.percentile(0.5), self.floors_ms.get(variant)
        return {
            "variant": variant,
            "batch": batch,
            **{f"p{p}_ms": round(item.percentile(p / 100), 3) for p in (50, 95, 99)},
            "images_per_second": round(item.images_per_second, 2),
            "times_of_bundle": round(median / self.latencies[self.first, batch].percentile(0.5), 3),
            "share_of_memory_floor": None if floor is None else round(floor / median, 3),
        }


def require_fast(result: BenchmarkResult, floor: Mapping[str, float]) -> None:
    """Check floors such as `{"fps": 5}` or ceilings such as `{"p95_ms": 200}` at the least batch.

    Raises:
        GateError: The bundle is slower.
    """
    batch = min(size for name, size in result.latencies if name == result.first)
    item = result.latencies[result.first, batch]
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
