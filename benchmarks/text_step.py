"""Measure one training step of soft prompts through a text tower of ViT-B/32's size.

    python -m benchmarks.text_step

CPU seconds on one thread, sentences in one row against a padded row each; random weights, whose
values do not change the time.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import torch
from torch import Tensor

from edgeclip.adapters.soft_prompts import SoftPrompts
from edgeclip.clip import untrained_model
from edgeclip.prompts import class_prompts, column_names
from edgeclip.text_tower import Layout, TextTower

_SIZE = {"context_length": 77, "vocab_size": 49408, "width": 512, "heads": 8, "layers": 12}
_VISION = {"image_size": 32, "layers": 1, "width": 32, "patch_size": 16, "head_width": 16}


def step_s(tower: TextTower, prompts: SoftPrompts, layout: Layout | None, rounds: int) -> float:
    """Return the least CPU seconds of a step forward and back.

    Args:
        tower: Frozen.
        prompts: Their context gets the gradient.
        layout: In place of the prompts' own; its embeddings get the gradient.
        rounds: How often it is measured.
    """
    least = float("inf")
    for _ in range(rounds):
        began = time.process_time()
        found: Tensor = prompts.features() if layout is None else tower.features(layout)
        found[:, 0].sum().backward()  # type: ignore[no-untyped-call]
        least = min(least, time.process_time() - began)
    return least


def padded(prompts: SoftPrompts, count: int) -> Layout:
    """Return as many sentences of the same length, a row each."""
    one = prompts.assembled()
    length = int(one.positions.max()) + 1
    mask = torch.full((length, length), -torch.inf).triu(1)
    rows = torch.randn(count, length, one.embeddings.shape[-1]).mul(0.02).requires_grad_()
    ends = torch.arange(count) * length + length - 1
    return Layout(rows, torch.arange(length), mask, ends)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "text-step.json"
        content = {"embed_dim": 512, "vision_cfg": _VISION, "text_cfg": _SIZE}
        config.write_text(json.dumps(content), encoding="utf-8")
        model, tokenize = untrained_model(config, 0)
    model.requires_grad_(False).eval()
    tower = TextTower(model, tokenize)
    names = column_names(class_prompts(("leopard", "impala", "blank"), {}))
    prompts = SoftPrompts(tower, names)
    figures = {
        "sentences": len(names),
        "one row, cpu_s": round(step_s(tower, prompts, None, given.rounds), 3),
        "a row each, cpu_s": round(
            step_s(tower, prompts, padded(prompts, len(names)), given.rounds), 3
        ),
    }
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
