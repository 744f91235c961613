"""Which fault strikes when: the same for the same seed."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal, get_args

Fault = Literal[
    "publisher killed",
    "uplink killed",
    "broker killed",
    "broker's disk forgets",
    "dashboard killed",
    "network cut",
    "network silent",
    "clock 10 years ahead",
    "clock 10 years back",
]
FAULTS: tuple[Fault, ...] = get_args(Fault)
_SHORTEST_S = 0.2
_LAST = 0.95  # of the detections: what strikes later strikes an empty outbox


@dataclass(frozen=True)
class Strike:
    """One fault.

    Attributes:
        at: It strikes once so many detections are committed.
        held_s: How long it lasts.
    """

    fault: Fault
    at: int
    held_s: float


def plan(seed: int, detections: int, repeats: int, most_s: float) -> list[Strike]:
    """Return each fault so many times, in random order, spread over the detections.

    Args:
        seed: Of the order, the moments and how long each fault lasts.
        detections: How many will be committed.
        repeats: How often each fault strikes.
        most_s: How long a fault lasts at most.
    """
    draw = random.Random(seed)  # moments, not secrets
    faults = [fault for fault in FAULTS for _ in range(repeats)]
    draw.shuffle(faults)
    step = detections * _LAST / len(faults)
    return [
        Strike(fault, 1 + int((n + draw.random()) * step), draw.uniform(_SHORTEST_S, most_s))
        for n, fault in enumerate(faults)
    ]
