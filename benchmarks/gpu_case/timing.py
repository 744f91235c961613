"""Two clocks: the wall from frames in memory to answers in memory, and the GPU's own events."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import numpy as np
import torch

Call = Callable[[], object]

_WARM_UP_S = 1.5  # of each call: runtimes make better kernels while the first ones run
_ROUNDS = 100
_COPY_BYTES = 1 << 30


def warmed(calls: Mapping[str, Call]) -> None:
    """Run each call until runtimes have settled."""
    for call in calls.values():
        end = time.perf_counter() + _WARM_UP_S
        while time.perf_counter() < end:
            call()


def wall_ms(calls: Mapping[str, Call], rounds: int = _ROUNDS) -> dict[str, dict[str, float]]:
    """Return percentiles of each call, ms; they take turns, and each ends when its answer is there.

    Args:
        calls: By name.
        rounds: Of each.
    """
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            began = time.perf_counter()
            call()
            times[name].append(1000 * (time.perf_counter() - began))
    return {name: _percentiles(own) for name, own in times.items()}


def gpu_ms(calls: Mapping[str, tuple[Call, int]], rounds: int = _ROUNDS) -> dict[str, float]:
    """Return the median time between two events around each call, ms, as trtexec's GPU time.

    Args:
        calls: Name -> what puts one batch on a stream and does not wait, and the stream's handle
            (0: torch's own).
        rounds: Of each.
    """
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, (call, handle) in calls.items():
            stream = _stream(handle)
            began, ended = _event(), _event()
            began.record(stream)
            call()
            ended.record(stream)
            ended.synchronize()
            times[name].append(began.elapsed_time(ended))
    return {name: round(float(np.median(own)), 4) for name, own in times.items()}


def bytes_per_second() -> float:
    """Return how fast the GPU reads its memory: half of what a large copy moves."""
    source = torch.empty(_COPY_BYTES, dtype=torch.uint8, device="cuda").random_(0, 255)
    target = torch.empty_like(source)
    found = gpu_ms({"copy": (lambda: target.copy_(source), 0)}, rounds=20)["copy"]
    return 2 * _COPY_BYTES / (found / 1000)


def _stream(handle: int) -> torch.cuda.Stream:
    if not handle:
        return torch.cuda.current_stream()
    return torch.cuda.ExternalStream(handle)  # type: ignore[no-untyped-call]


def _event() -> torch.cuda.Event:
    return torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]


def _percentiles(times: list[float]) -> dict[str, float]:
    return {f"p{p}_ms": round(float(np.percentile(times, p)), 4) for p in (50, 95, 99)}
