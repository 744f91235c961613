"""Leopard against blanks and other animals at unseen locations: every contender, 5 to 500 images.

    python -m benchmarks.casestudy --resnet-weights FOLDER

FOLDER is what `scripts/train_demo_resnet.py` wrote. Runs are kept in --work and not repeated, so
that the CNN can be run where a GPU is (`--contenders resnet50 --device cuda`) and the rest here.
"""

from __future__ import annotations

import argparse
import os
from functools import partial
from pathlib import Path

from benchmarks.case.contending import CONTENDERS, Machine
from benchmarks.case.study import Runs, Scenes
from edgeclip.baselines.finetune import FineTuning

COUNTS = (5, 10, 25, 50, 100, 250, 500)
SEEDS = (0, 1, 2)


def default_work() -> Path:
    """Return where scenes, features and runs are kept."""
    root = os.environ.get("XDG_CACHE_HOME")
    return (Path(root) if root else Path.home() / ".cache") / "edgeclip" / "casestudy"


def main() -> None:
    """Run what is asked for, then show and write what is known."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--contenders", nargs="*", choices=CONTENDERS, default=list(CONTENDERS))
    parser.add_argument("--counts", nargs="+", type=int, default=COUNTS, help="leopard images")
    parser.add_argument("--seeds", nargs="+", type=int, default=SEEDS)
    parser.add_argument("--work", type=Path, default=default_work(), help="scenes and runs")
    parser.add_argument("--runs", type=Path, help="runs, where not below --work")
    parser.add_argument("--resnet-weights", type=Path)
    parser.add_argument("--device", default="cpu", help="of the CNN: cpu or cuda")
    parser.add_argument("--cnn-steps", type=int, default=FineTuning().steps)
    parser.add_argument("--processes", type=int, default=2, help="that render")
    parser.add_argument("--shrink", type=int, default=1, help="divides images and places: a look")
    given = parser.parse_args()
    scenes = Scenes(given.work, given.processes, given.shrink)
    options = FineTuning(steps=given.cnn_steps)
    machine = Machine(given.device, given.resnet_weights, given.work / "features", options)
    runs = Runs(given.runs or given.work / "runs")
    for seed in given.seeds:
        for count in sorted(given.counts, reverse=True):
            draw = scenes.draw(seed, count)
            for name in given.contenders:
                contender = runs.get(name, draw, partial(CONTENDERS[name], draw, machine))
                print(
                    f"seed {seed}, {count} leopards: {name} {contender.seconds:.0f} s", flush=True
                )


if __name__ == "__main__":
    main()
