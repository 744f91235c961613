"""Measure adapters inside the image tower against those of the head, on drawn scenes.

    nice python -m benchmarks.deep --seeds 1 2 3

The leopard is held out of the carried backbone; a few hundred views at some places teach it, and
views at other places test. Everything but the adapters is the same: start, views, recipe.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from sklearn.metrics import average_precision_score, f1_score

from benchmarks.demo_backbone import HELD_OUT, OTHER, prompts_of, three_way
from edgeclip.adapters.block import BlockAdapters, BlockSettings
from edgeclip.adapters.block_cross_modal import CrossModalBlocks, CrossModalSettings
from edgeclip.adapters.class_head import ClassHead, ZeroShot
from edgeclip.adapters.component import Component
from edgeclip.adapters.cross_modal_head import CrossModalHead
from edgeclip.adapters.deep_graph import DeepGraph
from edgeclip.adapters.model import AdapterModel, FeatureGraph
from edgeclip.adapters.pooling import ClassPooling
from edgeclip.adapters.text_tokens import TextTokens, tokens_of_kind
from edgeclip.adapters.visual import VisualAdapter
from edgeclip.clip import DEMO, Backbone, load_backbone
from edgeclip.config import Recipe
from edgeclip.features import Features
from edgeclip.scenes.species import BLANK
from edgeclip.scenes.views import TRAINING_LABELS, View
from edgeclip.token_cache import TokenCache
from edgeclip.towers import features_above
from edgeclip.training import TrainingRows, anchor_strengths, fit, inputs_of

RESULTS = Path(__file__).parent / "results/deep.json"
CLASSES = (HELD_OUT, BLANK, OTHER)
CUT = 2  # of six blocks: four above, as many as the usual adapters reach into
_TEACH, _TEST = 300_000, 310_000  # first locations, as in benchmarks.demo_backbone
_NO_HASH = "0" * 64

Parts = Callable[[TrainingRows], list[Component]]


class Bench:
    """The backbone, the views and what the frozen encoder says of them.

    Args:
        places: How many locations teach, and how many others test.
    """

    def __init__(self, places: int) -> None:
        self.backbone: Backbone = load_backbone(DEMO)
        self.lower, self.upper = self.backbone.split(CUT)
        self._cache = TokenCache(None)
        others = [name for name in TRAINING_LABELS if name != BLANK]
        prompts = [prompts_of(HELD_OUT), prompts_of(BLANK), *(prompts_of(n) for n in others)]
        self.columns = [0, 1, *([2] * len(others))]
        text = self.backbone.embed_prompts(prompts)
        self.start = ZeroShot.of(text, self.columns, self.backbone.logit_scale)
        self.text = TextTokens(text[:32], _NO_HASH)
        self.taught = self._rows(three_way(self.backbone, _TEACH, places))
        self.tested = self._rows(three_way(self.backbone, _TEST, places))

    def _rows(self, views_and_classes: tuple[list[View], list[str]]) -> TrainingRows:
        views, names = views_and_classes
        z: list[torch.Tensor] = []
        f: list[torch.Tensor] = []
        tokens: list[torch.Tensor] = []
        for first in range(0, len(views), 64):
            pixels = np.stack([view.pixels for view in views[first : first + 64]])
            tokens.append(self.backbone.embed_tokens(pixels, self.lower))
            for kept, found in zip((z, f), features_above(self.upper, tokens[-1]), strict=True):
                kept.append(found)
        keys = [f"{len(views)} {names[0]} {number} {id(views)}" for number in range(len(views))]
        self._cache.put(keys, torch.cat(tokens).numpy())
        classes = np.asarray([CLASSES.index(name) for name in names], np.int64)
        features = Features(torch.cat(z).numpy(), torch.cat(f).numpy(), self._cache.rows(keys))
        places = [str(number * 24 // len(views)) for number in range(len(views))]  # in their order
        return TrainingRows(features, classes, places, np.arange(len(views)))

    def score(self, parts: Parts, recipe: Recipe, *, deep: bool) -> dict[str, float]:
        """Return average precision and F1 of the leopard at the other places.

        Args:
            parts: Fresh components.
            recipe: Of the fit.
            deep: Whether they reach into the tower.
        """
        torch.manual_seed(recipe.seed)
        graph = DeepGraph(self.upper) if deep else FeatureGraph()
        model = AdapterModel(self.start, parts(self.taught), graph)
        wall, cpu = time.perf_counter(), time.process_time()
        fit(model, self.taught, recipe)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        inputs = inputs_of(self.tested.features, np.arange(len(self.tested.classes)))
        with torch.inference_mode():
            logits = model(inputs).logits
        probabilities = self._by_class(torch.softmax(logits, 1).numpy())
        truth = self.tested.classes == 0
        return {
            "average_precision": float(average_precision_score(truth, probabilities[:, 0])),
            "f1": float(f1_score(truth, probabilities.argmax(1) == 0)),
            "parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
            "wall_s": wall,
            "cpu_s": cpu,
        }

    def _by_class(self, columns: NDArray[np.float32]) -> NDArray[np.float64]:
        return np.stack(
            [columns[:, np.asarray(self.columns) == c].sum(1) for c in range(3)], axis=1
        ).astype(np.float64)

    def arms(self) -> dict[str, tuple[Parts, bool]]:
        """Return what is compared: components, and whether they reach into the tower."""
        width, embed_dim = self.backbone.base.width, self.backbone.base.embed_dim
        blocks = self.backbone.base.blocks

        def head(rows: TrainingRows) -> Component:
            strengths = anchor_strengths(rows, self.start)
            return ClassHead(self.start.head, self.start.columns, strengths)

        def visual() -> Component:
            return VisualAdapter(embed_dim, reduction=4, ratio=0.2)

        def block(hidden: int = 32) -> Component:
            return BlockAdapters(width, blocks, BlockSettings(last=4, hidden=hidden))

        def cross(kind: str = "text") -> Component:
            text = tokens_of_kind(self.text, kind, seed=0)
            return CrossModalBlocks(width, blocks, text, CrossModalSettings(last=4))

        return {
            "head": (lambda rows: [head(rows)], False),
            "visual": (lambda _: [visual()], False),
            "visual+head": (lambda rows: [visual(), head(rows)], False),
            "visual+xmodal+head": (
                lambda rows: [
                    visual(),
                    CrossModalHead(self.text, width=32, ratio=0.2),
                    head(rows),
                ],
                False,
            ),
            "block": (lambda _: [block()], True),
            "block_xmodal": (lambda _: [cross()], True),
            "block_xmodal, random tokens": (lambda _: [cross("random")], True),
            "pooling": (lambda _: [ClassPooling(self.start)], True),
            "visual+pooling+head": (
                lambda rows: [visual(), ClassPooling(self.start), head(rows)],
                True,
            ),
            "block+head": (lambda rows: [block(), head(rows)], True),
            "visual+block+block_xmodal": (lambda _: [visual(), block(16), cross()], True),
        }


def main() -> None:
    """Measure, print, and write benchmarks/results/deep.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--places", type=int, default=24)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--only", nargs="+", help="names of what is compared")
    arguments = parser.parse_args()
    bench = Bench(arguments.places)
    figures: dict[str, object] = {
        "taught": len(bench.taught.classes),
        "tested": len(bench.tested.classes),
        "leopards tested": int((bench.tested.classes == 0).sum()),
        "steps": arguments.steps,
        "batch": arguments.batch,
        "seeds": arguments.seeds,
    }
    table = Table("method", "AP", "F1", "parameters", "s", title="leopard, unseen places")
    for name, (parts, deep) in bench.arms().items():
        if arguments.only and name not in arguments.only:
            continue
        runs = [
            bench.score(
                parts, Recipe(steps=arguments.steps, batch=arguments.batch, seed=seed), deep=deep
            )
            for seed in arguments.seeds
        ]
        mean = {key: round(float(np.mean([run[key] for run in runs])), 3) for key in runs[0]}
        spread = [round(run["average_precision"], 3) for run in runs]
        figures[name] = mean | {"average_precision of each seed": spread}
        print(f"{name}: {mean} {spread}", flush=True)
        row = (f"{mean['average_precision']:.3f}", f"{mean['f1']:.3f}")
        table.add_row(name, *row, f"{mean['parameters']:,.0f}", f"{mean['wall_s']:.0f}")
    Console().print(table)
    RESULTS.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
