"""Leopard against blanks and other animals at unseen locations: every contender, 5 to 500 images.

    python -m benchmarks.casestudy --resnet-weights FOLDER

FOLDER is what `scripts/train_demo_resnet.py` wrote. Runs are kept in --work and not repeated, so
that the CNN can be run where a GPU is (`--contenders resnet50 --device cuda`) and the rest here.
Where no GPU is, `--mobilenet-weights FILE` takes an ImageNet CNN that a CPU can fine-tune. The same
on real images: `python -m benchmarks.realcase`.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.case.contending import CNNS, CONTENDERS, Machine, cnns_of
from benchmarks.case.figures import Truth, difference, figures_of
from benchmarks.case.runs import Runs
from benchmarks.case.scenes import CLASSES, TARGET
from benchmarks.case.showing import draw_curve, show_table
from benchmarks.case.study import Scenes
from edgeclip.baselines.finetune import FineTuning
from edgeclip.contract.files import write_text

COUNTS = (5, 10, 25, 50, 100, 250, 500)
SEEDS = (0, 1, 2)
RIVAL = "resnet50"
SIZE = 96  # px, as the demo backbone's
COMMAND = "python -m benchmarks.casestudy --out benchmarks/results/casestudy.json"


def default_work() -> Path:
    """Return where scenes, features and runs are kept."""
    root = os.environ.get("XDG_CACHE_HOME")
    return (Path(root) if root else Path.home() / ".cache") / "edgeclip" / "casestudy"


def main() -> None:
    """Run what is asked for, then show and write what is known."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--contenders", nargs="*", choices=CONTENDERS)
    parser.add_argument("--counts", nargs="+", type=int, default=COUNTS, help="leopard images")
    parser.add_argument("--seeds", nargs="+", type=int, default=SEEDS)
    parser.add_argument("--work", type=Path, default=default_work(), help="scenes and runs")
    parser.add_argument("--runs", type=Path, help="runs, where not below --work")
    parser.add_argument("--out", type=Path, help="JSON of the figures; a .png lies beside it")
    parser.add_argument("--resnet-weights", type=Path)
    parser.add_argument("--mobilenet-weights", type=Path)
    parser.add_argument("--device", default="cpu", help="of the CNN: cpu or cuda")
    parser.add_argument("--cnn-steps", type=int, default=FineTuning().steps)
    parser.add_argument("--cnn-batch", type=int, default=FineTuning().batch)
    parser.add_argument("--processes", type=int, default=2, help="that render")
    parser.add_argument("--shrink", type=int, default=1, help="divides images and places: a look")
    given = parser.parse_args()
    names = given.contenders
    cnns = cnns_of(given.resnet_weights, given.mobilenet_weights, SIZE)
    if names is None:  # without weights a CNN would start from nothing, which is no comparison
        names = [name for name in CONTENDERS if name not in CNNS or name in cnns]
    scenes = Scenes(given.work, given.processes, given.shrink)
    options = FineTuning(given.cnn_steps, given.cnn_batch, device=given.device)
    machine = Machine(cnns, given.work / "features", options)
    runs = Runs(given.runs or given.work / "runs", machine.key)
    for seed in given.seeds:
        for count in sorted(given.counts, reverse=True):
            draw = scenes.draw(seed, count)
            for name in names:
                contender = runs.get(name, draw, partial(CONTENDERS[name], draw, machine))
                print(
                    f"seed {seed}, {count} leopards: {name} {contender.seconds:.0f} s", flush=True
                )
    truth = Truth(scenes.test, scenes.test_wind, tuple(CLASSES), TARGET)
    found = gather(runs, truth, given.counts, given.seeds)
    show_table(found["figures"])
    if given.out and found["figures"]:
        write_text(given.out, json.dumps({"command": COMMAND, **found}, indent=1) + "\n")
        draw_curve(found["figures"], given.out.with_suffix(".png"))


def gather(
    runs: Runs, truth: Truth, counts: Sequence[int], seeds: Sequence[int]
) -> dict[str, dict[str, Any]]:
    """Return the figures of all runs that are known, and what F1 differs from the CNN's by.

    Args:
        runs: Of this call and of earlier ones.
        truth: Of the test images.
        counts: Numbers of leopard images.
        seeds: Of the draws; a contender that lacks one is left out.
    """
    figures: dict[str, Any] = {}
    against: dict[str, Any] = {}
    for count in sorted(counts):
        known = {
            name: [run for seed in seeds if (run := runs.known(name, seed, count, truth.images))]
            for name in CONTENDERS
        }
        whole = {name: group for name, group in known.items() if len(group) == len(seeds)}
        figures[str(count)] = {name: figures_of(group, truth) for name, group in whole.items()}
        for name in whole if RIVAL in whole else ():
            found = difference(whole[name], whole[RIVAL], truth).interval
            values = (found.estimate, found.low, found.high)
            against.setdefault(str(count), {})[name] = [round(value, 4) for value in values]
    return {"figures": figures, f"f1_above_{RIVAL}": against}


if __name__ == "__main__":
    main()
