"""Tip-Adapter as a baseline: the pack's prompts and a cache of its images, nothing trained.

Tip-Adapter, Zhang et al., ECCV 2022, arXiv 2207.09519. Weight and sharpness of the cache come from
images that a round left out, as everything of a pack does.
"""

from __future__ import annotations

import time

from edgeclip.adapters.class_head import ZeroShot
from edgeclip.baselines.judging import Task
from edgeclip.candidates import Judge
from edgeclip.config import Recipe
from edgeclip.contenders import Contender
from edgeclip.folds import Folds
from edgeclip.ladder import at_its_best
from edgeclip.methods import Base, parse_method
from edgeclip.pack_contender import Head, head_contender
from edgeclip.parts import PartData
from edgeclip.selection import candidate_of, thresholds_of
from edgeclip.workbench import Workbench


def tip_adapter(
    start: ZeroShot, taught: PartData, folds: Folds, test: PartData, task: Task
) -> Contender:
    """Return Tip-Adapter as a contender, chosen and calibrated as a pack is.

    Args:
        start: Class matrix of the prompts; its columns are the task's.
        taught: Training and validation images, all views.
        folds: Rounds over them.
        test: The images of the comparison.
        task: With the columns of `start`.
    """
    began = time.perf_counter()
    bench = Workbench(Base(start, taught.graph), taught.training_rows(), Recipe())
    method, targets = parse_method("tip"), task.target_indices
    judge = Judge(taught, folds.held, task.columns, targets)
    best = at_its_best(bench.entry(method, "S1"), folds, judge)
    model = bench.fit(method, best.setting)
    head = Head(
        "Tip-Adapter",
        candidate_of(model, best.share, best.score, best.setting).tensors,
        thresholds_of(best.score, task.class_names, targets),
        task.columns,
        trainable_params=0,
        steps=0,
        seconds=time.perf_counter() - began,
        note=f"alpha {best.share:g}, beta {best.setting['beta']:g}, chosen as a pack is:"
        f" in {len(folds.folds)} rounds by {folds.level}",
    )
    return head_contender(head, test)
