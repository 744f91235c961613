"""How long calls take, measured side by side: they take turns, so that a busy machine hits all."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

WARM_UP = 3  # calls of each before anything counts


@dataclass(frozen=True)
class Latency:
    """Wall-clock times of one call.

    Attributes:
        times_ms: Of each call, in order.
        batch: Images a call.
    """

    times_ms: Sequence[float]
    batch: int

    def percentile(self, share: float) -> float:
        """Return the time, ms, within which that share of the calls ended; 0..1."""
        return float(np.quantile(self.times_ms, share, method="higher"))

    @property
    def images_per_second(self) -> float:
        """At the median call."""
        return self.batch * 1000 / self.percentile(0.5)


def measure(
    calls: Mapping[str, Callable[[], object]],
    rounds: int,
    batch: int,
    *,
    clock: Callable[[], float] = time.perf_counter,
    advance: Callable[[], object] = lambda: None,
) -> dict[str, Latency]:
    """Return the times of each call.

    Args:
        calls: Each computes one batch, and returns when it is done.
        rounds: How often each is called, after `WARM_UP` calls that do not count.
        batch: Images a call.
        clock: Gives seconds.
        advance: Called after each round.
    """
    for call in calls.values():
        for _ in range(WARM_UP):
            call()
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            began = clock()
            call()
            times[name].append(1000 * (clock() - began))
        advance()
    return {name: Latency(own, batch) for name, own in times.items()}
