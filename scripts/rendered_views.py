"""The rendered scenes that backbones are trained from scratch on, in memory."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from edgeclip.contract.preprocess_spec import PreprocessSpec
from edgeclip.scenes.captions import Facts
from edgeclip.scenes.views import View, sample_views

FIRST_LOCATION = 100_000  # image sets and clips begin at 0: no background is shared
SCENES_A_LOCATION = 30


@dataclass(frozen=True)
class Views:
    """Views in memory: `(N, S, S, 3)` uint8 RGB, the facts and the label of each."""

    pixels: Tensor
    facts: list[Facts]
    labels: list[str]


def render_views(
    scenes: int, size: int, *, seed: int, processes: int, first: int = FIRST_LOCATION
) -> Views:
    """Render scenes without the held-out species, one location a job.

    Args:
        scenes: How many; each gives one or two views.
        size: Side of the views, px.
        seed: Moves the locations: another seed shares no background.
        processes: That render.
        first: Seed of the first location, before `seed` moves it.
    """
    locations = max(1, scenes // SCENES_A_LOCATION)
    count = min(scenes, SCENES_A_LOCATION)
    first += seed * 1_000_000
    pixels: list[NDArray[np.uint8]] = []
    facts: list[Facts] = []
    labels: list[str] = []
    spec = PreprocessSpec(size=size, mean=(0, 0, 0), std=(1, 1, 1))
    job = partial(sample_views, count=count, spec=spec)
    for done, views in enumerate(_mapped(job, range(first, first + locations), processes), start=1):
        pixels += [view.pixels for view in views]
        facts += [view.facts for view in views]
        labels += [view.label for view in views]
        if done % 40 == 0 or done == locations:
            print(f"rendered {done}/{locations} locations, {len(facts)} views", flush=True)
    return Views(torch.from_numpy(np.stack(pixels)), facts, labels)


def _mapped(job: partial[list[View]], places: range, processes: int) -> Iterator[list[View]]:
    """Yield the views of each place in order; with one process, in this one."""
    if processes == 1:
        yield from map(job, places)
        return
    with ProcessPoolExecutor(processes, get_context("spawn"), _one_thread) as pool:
        yield from pool.map(job, places)


def _one_thread() -> None:
    cv2.setNumThreads(1)  # the processes fill the cores
