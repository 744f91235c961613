"""Time and memory of a training in the shape of the case study: 500 images on a ViT-B/32.

    python -m benchmarks.training [--boxes] [--views 4] [--usual]

Two epochs of `visual+xmodal`, from image files to the pack, on random weights of that geometry:
what the weights say costs nothing, what they weigh does. `--usual` adds what people run, each from
image files to the pack with a cache of its own: `edgeclip train` as it is, and `--preset leopard`,
both with the recipe's own views and steps and with rounds over places. Seconds of the clock mean
something on an
idle machine alone; the load average stands beside them.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from rich.console import Console
from rich.table import Table

from edgeclip.adapters.class_head import ZeroShot
from edgeclip.adapters.model import FeatureGraph
from edgeclip.adapters.presets import preset_method
from edgeclip.clip import load_backbone, untrained_model
from edgeclip.config import Recipe, TrainConfig
from edgeclip.contract.files import write_text
from edgeclip.feature_cache import FeatureCache
from edgeclip.features import encode_regions
from edgeclip.labels.dataset import load_dataset, read_labels
from edgeclip.methods import Base, fitted, fresh_model, parse_method
from edgeclip.parts import PartData
from edgeclip.prompts import class_prompts, column_class
from edgeclip.regions import Strips, regions_of
from edgeclip.scenes.image_sets import ImageSetPlan, write_image_set
from edgeclip.text_side import TextSide

RESULTS = Path(__file__).parent / "results/training.json"
METHOD, EPOCHS, BATCH = "visual+xmodal", 2, 32
SHARES = {"leopard": 0.2, "impala": 0.4, "blank": 0.4}
MEASURED_STEPS = 3  # of those without the cache; the epoch is scaled from them
VIT_B_32 = {
    "embed_dim": 512,
    "vision_cfg": {"image_size": 224, "layers": 12, "width": 768, "patch_size": 32},
    "text_cfg": {
        "context_length": 77,
        "vocab_size": 49408,
        "width": 512,
        "heads": 8,
        "layers": 12,
    },
}
_CHILD = """
import json, resource, sys, time
from datetime import datetime, timezone
from edgeclip.config import TrainConfig
from edgeclip.progress import Bars
from edgeclip.trainer import train
config = TrainConfig.model_validate_json(sys.argv[1])
result = train(config, created_at=datetime.now(timezone.utc), bars=Bars(quiet=True))
print(json.dumps({
    "regions": result.cache_hits + result.cache_misses, "cpu_s": time.process_time(),
    "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
}))
"""


@dataclass(frozen=True)
class Setting:
    """What is trained on, and with how many threads."""

    table: Path
    encoder: Path
    weights: Path
    recipe: Recipe
    threads: int


def seconds(work: Callable[[], object]) -> tuple[float, float]:
    """Return the seconds of the clock, and of the processor, for some work."""
    began, began_cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - began, time.process_time() - began_cpu


def prepared(folder: Path, arguments: argparse.Namespace) -> Setting:
    """Write images, labels and random weights; return them with the recipe of two epochs."""
    from safetensors.torch import save_file

    counts = {name: round(arguments.images * share) for name, share in SHARES.items()}
    table = write_image_set(folder / "images", ImageSetPlan(counts, locations=12, seed=1))
    if not arguments.boxes:
        _without_boxes(table)
    encoder, weights = folder / "vit-b-32-shape.json", folder / "weights.safetensors"
    encoder.write_text(json.dumps(VIT_B_32))
    model, _ = untrained_model(encoder, seed=1)
    save_file(model.state_dict(), weights)
    regions = arguments.images * arguments.views * (2 if arguments.boxes else 1)
    steps = -(-EPOCHS * regions // BATCH)
    recipe = Recipe(steps=steps, batch=BATCH, views=arguments.views)
    return Setting(table, encoder, weights, recipe, arguments.threads)


def _without_boxes(table: Path) -> None:
    with table.open(newline="") as file:
        rows = [row[:5] for row in csv.reader(file)]
    with table.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def quick(setting: Setting, out: Path, cache: Path) -> TrainConfig:
    """Return two epochs of one method, judged on the validation part alone."""
    changes = {"method": METHOD, "folds": 1, "recipe": setting.recipe}
    return usual(setting, out, cache).model_copy(update=changes)


def usual(setting: Setting, out: Path, cache: Path) -> TrainConfig:
    """Return what `edgeclip train` does unasked."""
    return TrainConfig(
        data=setting.table,
        targets=("leopard",),
        backbone=str(setting.encoder),
        pretrained=str(setting.weights),
        out=out,
        cache=cache,
    )


def preset(name: str, setting: Setting, out: Path, cache: Path) -> TrainConfig:
    """Return what `edgeclip train --preset` does."""
    method, changes = preset_method(name)
    recipe = Recipe.model_validate(changes)
    own = {"method": method, "recipe": recipe}
    return usual(setting, out, cache).model_copy(update=own)


def trained(setting: Setting, config: TrainConfig) -> dict[str, float]:
    """Train in a process of its own; return its seconds, regions and peak memory."""
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, config.model_dump_json()],
        env={**os.environ, "OMP_NUM_THREADS": str(setting.threads)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    figures: dict[str, float] = json.loads(done.stdout)
    return {**figures, "seconds": time.perf_counter() - began}


def epochs(setting: Setting, cache: Path) -> dict[str, tuple[float, float]]:
    """Return seconds an epoch, of the clock and the processor, with the cache and without it."""
    import torch

    torch.set_num_threads(setting.threads)
    backbone = load_backbone(str(setting.encoder), str(setting.weights))
    dataset = load_dataset(read_labels(setting.table), {})
    folder = cache / backbone.base.weights_sha256[:16]
    indices = range(len(dataset.images))
    regions = regions_of(dataset.images, list(indices), views=setting.recipe.views)
    features = encode_regions(
        dataset.images, regions, backbone, cache=FeatureCache(folder), strips=Strips()
    )
    part = PartData(dataset.images, regions, features, dataset.class_names)
    prompts = class_prompts(dataset.class_names, {})
    side = TextSide(backbone, prompts)
    text = backbone.embed_prompts(side.columns)
    start = ZeroShot.of(text, column_class(prompts), backbone.logit_scale)
    method = parse_method(METHOD)
    base, rows = Base(start, FeatureGraph(), text=side), part.training_rows()
    fresh_model(method, base, rows, setting.recipe)  # encodes the prompts, once for all epochs
    with_cache = seconds(lambda: fitted(method, base, rows, setting.recipe))
    few = regions[: MEASURED_STEPS * BATCH]
    encoded = seconds(
        lambda: encode_regions(
            dataset.images, few, backbone, cache=FeatureCache(None), strips=Strips()
        )
    )
    cached = tuple(value / EPOCHS for value in with_cache)
    scale = len(regions) / len(few)
    bare = tuple(own * scale + step for own, step in zip(encoded, cached, strict=True))
    return {"with the cache": (cached[0], cached[1]), "without": (bare[0], bare[1])}


def figures_of(
    cold: dict[str, float], warm: dict[str, float], an_epoch: dict[str, tuple[float, float]]
) -> dict[str, float]:
    """Return what was measured, by a name with its unit."""
    cached, bare = an_epoch["with the cache"], an_epoch["without"]
    return {
        "image files to pack, s": round(cold["seconds"], 1),
        "image files to pack, CPU s": round(cold["cpu_s"], 1),
        "features known already, s": round(warm["seconds"], 1),
        "features known already, CPU s": round(warm["cpu_s"], 1),
        "peak memory, MB": round(cold["peak_mb"]),
        "an epoch with the cache, s": round(cached[0], 3),
        "an epoch with the cache, CPU s": round(cached[1], 3),
        f"an epoch without it, s (scaled from {MEASURED_STEPS} steps)": round(bare[0], 1),
        "an epoch without it, CPU s": round(bare[1], 1),
        "without / with the cache, clock": round(bare[0] / cached[0], 1),
        "without / with the cache, CPU": round(bare[1] / cached[1], 1),
    }


def as_people_run_it(setting: Setting, folder: Path) -> dict[str, float]:
    """Return what a whole training takes with nothing known before, by a name with its unit."""
    found = {}
    for name, config in {
        "edgeclip train": usual(setting, folder / "auto", folder / "auto-cache"),
        "--preset leopard": preset("leopard", setting, folder / "leopard", folder / "own-cache"),
    }.items():
        took = trained(setting, config)
        found[f"{name}, s"] = round(took["seconds"], 1)
        found[f"{name}, CPU s"] = round(took["cpu_s"], 1)
        found[f"{name}, peak memory, MB"] = round(took["peak_mb"])
    return found


def main() -> None:
    """Measure, print, and write benchmarks/results/training.json."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--views", type=int, default=1, help="of each region")
    parser.add_argument("--boxes", action="store_true", help="frame and crop of each image")
    parser.add_argument("--usual", action="store_true", help="what people run, too: an hour")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        setting = prepared(folder, arguments)
        load = os.getloadavg()[0]
        cold = trained(setting, quick(setting, folder / "cold", folder / "cache"))
        warm = trained(setting, quick(setting, folder / "warm", folder / "cache"))
        measured = figures_of(cold, warm, epochs(setting, folder / "cache"))
        if arguments.usual:
            measured |= as_people_run_it(setting, folder)
    content = {
        "at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "machine": {
            "cpus": os.cpu_count(),
            "arch": platform.machine(),
            "python": platform.python_version(),
            "load average before": round(load, 1),
        },
        "shape": {
            "images": arguments.images,
            "regions": int(cold["regions"]),
            "views": arguments.views,
            "threads": arguments.threads,
            "method": METHOD,
            "steps": setting.recipe.steps,
            "batch": BATCH,
        },
        "figures": measured,
    }
    write_text(arguments.out, json.dumps(content, indent=2) + "\n")
    table = Table("figure", "value", title=f"{arguments.images} images, load average {load:.1f}")
    for name, value in measured.items():
        table.add_row(name, str(value))
    Console().print(table)


if __name__ == "__main__":
    main()
