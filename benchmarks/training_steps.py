"""Measure training on cached features against encoding again: ratios of CPU time in one run.

CPU time of the whole process, since other work on the machine stretches the clock but not this.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from edgeclip.adapters.class_head import ZeroShot
from edgeclip.adapters.model import FeatureGraph
from edgeclip.clip import Backbone, load_backbone
from edgeclip.config import Recipe, TrainConfig
from edgeclip.features import Features
from edgeclip.methods import Base, fitted, parse_method
from edgeclip.progress import Bars
from edgeclip.prompts import class_prompts, column_class
from edgeclip.scenes.image_sets import ImageSetPlan, write_image_set
from edgeclip.trainer import TrainResult, train
from edgeclip.training import TrainingRows

RESULTS = Path(__file__).parent / "results/training_steps.json"
NAMES = ("leopard", "impala", "blank")
ROUNDS = 5
STEPS = 20


def cpu_s(work: Callable[[], object]) -> float:
    """Return the CPU seconds of all threads of this process for some work."""
    began = time.process_time()
    work()
    return time.process_time() - began


def step_against_encoding(backbone: Backbone, batch: int) -> tuple[float, float]:
    """Return CPU seconds of one step on cached features, and of encoding one step's batch."""
    rng = np.random.default_rng(0)
    base, size = backbone.base, backbone.preprocess.size
    features = Features(
        rng.normal(size=(batch, base.width)).astype(np.float32),
        rng.normal(size=(batch, base.embed_dim)).astype(np.float32),
    )
    classes = rng.integers(0, len(NAMES), batch)
    rows = TrainingRows(features, classes, ["one place"] * batch, np.arange(batch))
    prompts = class_prompts(NAMES, {})
    columns = [column for item in prompts.values() for column in item.columns]
    start = ZeroShot.of(
        backbone.embed_prompts(columns), column_class(prompts), backbone.logit_scale
    )
    recipe = Recipe(steps=STEPS, batch=batch)
    frames = rng.integers(0, 256, (batch, size, size, 3), np.uint8)
    bare, method = Base(start, FeatureGraph()), parse_method("visual+head")
    embed = backbone.embed_images
    pairs = [
        (cpu_s(lambda: fitted(method, bare, rows, recipe)), cpu_s(lambda: embed(frames)))
        for _ in range(ROUNDS)  # interleaved, so that both meet the same machine
    ]
    return min(stepped for stepped, _ in pairs) / STEPS, min(encoded for _, encoded in pairs)


def train_twice(folder: Path, arguments: argparse.Namespace) -> dict[str, float]:
    """Return CPU seconds of a training with a cold and with a warm cache, and how many regions."""
    plan = ImageSetPlan(counts=dict.fromkeys(NAMES, arguments.images), locations=6, seed=1)
    table = write_image_set(folder / "images", plan)

    def run(name: str) -> TrainResult:
        config = TrainConfig(
            data=table,
            targets=("leopard",),
            backbone=arguments.backbone,
            pretrained=arguments.pretrained,
            out=folder / name,
            cache=folder / "cache",
        )
        return train(config, created_at=datetime.now(timezone.utc), bars=Bars())

    results: list[TrainResult] = []
    cold = cpu_s(lambda: results.append(run("cold")))
    warm = min(cpu_s(lambda: results.append(run(f"warm{len(results)}"))) for _ in range(2))
    return {"cold": cold, "warm": warm, "regions": results[0].cache_misses}


def main() -> None:
    """Measure, print, and write benchmarks/results/training_steps.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backbone", default="demo")
    parser.add_argument("--pretrained")
    parser.add_argument("--images", type=int, default=60, help="of each of three classes")
    parser.add_argument("--batch", type=int, default=256)
    arguments = parser.parse_args()
    backbone = load_backbone(arguments.backbone, arguments.pretrained)
    step_s, encoding_s = step_against_encoding(backbone, arguments.batch)
    with tempfile.TemporaryDirectory() as folder:
        whole = train_twice(Path(folder), arguments)
    figures = {
        "command": "python -m benchmarks.training_steps",
        "machine": {
            "cpus": os.cpu_count(),
            "arch": platform.machine(),
            "python": platform.python_version(),
        },
        "backbone": backbone.base.arch,
        "batch": arguments.batch,
        "images": 3 * arguments.images,
        "regions": whole["regions"],
        "cpu_s": {
            "step on cached features": round(step_s, 4),
            "encoding a step's batch": round(encoding_s, 4),
            "train, cold cache": round(whole["cold"], 2),
            "train, warm cache": round(whole["warm"], 2),
        },
        "ratios": {
            "encoding a batch / step on cached features": round(encoding_s / step_s, 1),
            "train, cold / warm cache": round(whole["cold"] / whole["warm"], 2),
        },
    }
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(figures, indent=2) + "\n")
    show(figures)


def show(figures: dict[str, object]) -> None:
    """Print the figures as a table."""
    table = Table(title=f"training, {figures['backbone']}, one run")
    table.add_column("figure")
    table.add_column("value", justify="right")
    for group in ("cpu_s", "ratios"):
        rows = figures[group]
        for name, value in rows.items() if isinstance(rows, dict) else ():
            table.add_row(name, f"{value} s" if group == "cpu_s" else f"{value}")
    Console().print(table)


if __name__ == "__main__":
    main()
