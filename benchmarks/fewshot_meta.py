"""Measure the meta-adapter: trained on half of the classes, used for the other half as it is."""

from __future__ import annotations

import json
import statistics
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from benchmarks._fewshot_data import DATA_SETS, SEEDS, SHOTS, folder, halves, task
from benchmarks._fewshot_parts import logits_of
from edgeclip.adapters.blend import make_blend
from edgeclip.adapters.component import Component
from edgeclip.adapters.meta import MetaWeights, make_meta
from edgeclip.adapters.meta_training import train_meta

RESULTS = Path(__file__).parent / "results/fewshot_meta.json"
BASE_SHOTS = 16


def right(name: str, shots: int, seed: int, weights: MetaWeights) -> dict[str, float]:
    """Return the accuracy on the new classes in per cent: start, meta, blend."""
    new = halves(task(name, shots, seed))[1]
    methods: dict[str, list[Component]] = {
        "start": [],
        "meta": [make_meta(new.support, weights)],
        "blend": [make_blend(new.support)],
    }
    found = {}
    for method, parts in methods.items():
        answers = logits_of(new.support, parts, new.features).argmax(dim=1)
        found[method] = 100 * float((answers == new.truth).double().mean())
    return found


def main() -> None:
    """Train on each data set's base classes, measure on its new ones, print, and write.

    Raises:
        SystemExit: The features are not there.
    """
    torch.set_num_threads(1)
    if not folder().is_dir():
        raise SystemExit(f"no features in {folder()}: set EDGECLIP_CLIP_FEATURES to their folder")
    means: dict[str, dict[str, list[float]]] = {}
    for name in DATA_SETS:
        weights = train_meta(halves(task(name, BASE_SHOTS, 1))[0].support)
        cells = {shots: [right(name, shots, s, weights) for s in SEEDS] for shots in SHOTS}
        means[name] = {
            method: [round(statistics.fmean(c[method] for c in cells[k]), 2) for k in SHOTS]
            for method in ("start", "meta", "blend")
        }
        table = Table("method", *map(str, SHOTS), title=f"{name}, new classes: accuracy in %")
        for method, figures in means[name].items():
            table.add_row(method, *(f"{figure:.2f}" for figure in figures))
        Console().print(table)
    report = {
        "command": "python -m benchmarks.fewshot_meta",
        "base": f"first half of the classes, {BASE_SHOTS} shots; new: the others, 3 seeds",
        "means_percent": means,
    }
    RESULTS.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
