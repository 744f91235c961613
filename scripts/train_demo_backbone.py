"""Train the small CLIP that edgeclip carries, on scenes that edgeclip renders.

    nice python scripts/train_demo_backbone.py --out edgeclip/backbones/demo

writes `demo.safetensors` and `demo.facts.json`. The same seed, scenes and steps give the same
weights on the same machine. The leopard is held out: it is never rendered and never named, so that
teaching it from a few hundred images later is a real test.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn import functional

from edgeclip.clip import DEMO_FOLDER, untrained_model
from edgeclip.contract.files import write_bytes, write_text
from edgeclip.scenes.captions import describe
from edgeclip.scenes.species import SPECIES

sys.path.insert(0, str(Path(__file__).parents[1]))  # this file is run by its name

from scripts.contrastive import (
    augment,
    contrastive_loss,
    facts_matrix,
    matches,
    whiten_patches,
)
from scripts.rendered_views import Views, render_views

WARM_UP = 0.06  # part of the steps
HIGHEST_SCALE = 4.6052  # ln 100, as in CLIP
Tokenize = Callable[[list[str]], Tensor]


@dataclass(frozen=True)
class Options:
    """What decides a training run."""

    scenes: int = 12_000
    steps: int = 1800
    batch: int = 64
    learning_rate: float = 1e-3  # AdamW: embeddings, gains, biases
    matrix_rate: float = 5e-3  # Muon: the matrices of the blocks
    weight_decay: float = 0.05
    facts_weight: float = 4.0  # of predicting the facts themselves, beside the contrastive loss
    whole_share: float = 0.3  # of the steps, at the end, that see all patches
    seed: int = 0
    processes: int = 2


class Trainer:
    """A model, its optimiser and its randomness; `step` learns from one batch."""

    def __init__(self, views: Views, options: Options, config: Path) -> None:
        self.model, self.tokenize = untrained_model(config, options.seed)
        self.model.train()
        self.views, self.options = views, options
        self.draw = np.random.default_rng(options.seed)
        self.noise = torch.Generator().manual_seed(options.seed)
        self.seen_tokens = torch.zeros(self.model.vocab_size, dtype=torch.bool)
        preprocess = self.model.visual.preprocess_cfg
        self.mean, self.std = (
            torch.tensor(preprocess[key]).view(3, 1, 1) for key in ("mean", "std")
        )
        words = sorted(frozenset().union(*views.facts))
        self.facts = facts_matrix(views.facts, words)
        self.head = nn.Linear(self.model.visual.output_dim, len(words))
        sample = views.pixels[:: max(1, len(views.facts) // 400)]
        whiten_patches(self.model.visual, self._normal(sample))
        self.optimisers = self._optimisers()

    def _normal(self, pixels: Tensor) -> Tensor:
        return (pixels.permute(0, 3, 1, 2).float() / 255 - self.mean) / self.std

    def _optimisers(self) -> list[torch.optim.Optimizer]:
        """Muon for the matrices of the blocks (twice as fast from scratch), AdamW for the rest."""
        options = self.options
        named = [*self.model.named_parameters(), *self.head.named_parameters()]
        inner = [p for name, p in named if "resblocks" in name and p.ndim == 2]
        outer = [p for name, p in named if "resblocks" not in name or p.ndim != 2]
        return [
            torch.optim.Muon(
                inner,
                lr=options.matrix_rate,
                weight_decay=options.weight_decay,
                adjust_lr_fn="match_rms_adamw",
            ),
            torch.optim.AdamW(
                outer, lr=options.learning_rate, betas=(0.9, 0.98), weight_decay=0.0, fused=True
            ),
        ]

    def step(self, number: int) -> float:
        """Learn from one random batch; return its contrastive loss above the least possible."""
        self._schedule(number / self.options.steps)
        chosen = self.draw.choice(len(self.views.facts), self.options.batch, replace=False)
        true = [self.views.facts[i] for i in chosen]
        captions = [describe(facts, self.draw) for facts in true]
        tokens = self.tokenize([caption.text for caption in captions])
        self.seen_tokens[tokens.flatten()] = True
        pixels = augment(self.views.pixels[torch.from_numpy(chosen)], self.noise)
        features = self.model.encode_image((pixels - self.mean) / self.std)
        prompts = self.model.encode_text(tokens, normalize=True)
        unit = functional.normalize(features, dim=1)
        logits = self.model.logit_scale.exp() * prompts @ unit.T
        loss = contrastive_loss(logits, matches([c.facts for c in captions], true))
        said = functional.binary_cross_entropy_with_logits(self.head(features), self.facts[chosen])
        self._descend(loss + self.options.facts_weight * said)
        return loss.item()

    def _schedule(self, share: float) -> None:
        """Warm up, then a cosine to nearly zero; see all patches in the last part."""
        rate = max(min(share / WARM_UP, 0.5 * (1 + np.cos(np.pi * share))), 0.01)
        options = self.options
        for optimiser, top in zip(
            self.optimisers, (options.matrix_rate, options.learning_rate), strict=True
        ):
            for group in optimiser.param_groups:
                group["lr"] = rate * top
        if share >= 1 - options.whole_share:
            self.model.visual.patch_dropout.prob = 0.0

    def _descend(self, loss: Tensor) -> None:
        for optimiser in self.optimisers:
            optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimiser in self.optimisers:
            optimiser.step()
        with torch.no_grad():
            self.model.logit_scale.clamp_(0, HIGHEST_SCALE)

    def weights(self) -> bytes:
        """Return the weights as safetensors: float16, rows of unseen tokens zero."""
        state = {
            name: t.detach().half().contiguous() for name, t in self.model.state_dict().items()
        }
        state["token_embedding.weight"][~self.seen_tokens] = 0
        return bytes(save(state))


def train(options: Options, config: Path) -> tuple[bytes, dict[str, Any]]:
    """Return the weights and the facts of a whole training run.

    Args:
        options: Decide the run.
        config: The model configuration.
    """
    size = json.loads(config.read_text(encoding="utf-8"))["vision_cfg"]["image_size"]
    started = time.monotonic()
    views = render_views(options.scenes, size, seed=options.seed, processes=options.processes)
    rendered = time.monotonic()
    trainer = Trainer(views, options, config)
    losses = []
    for number in range(options.steps):
        losses.append(trainer.step(number))
        if (number + 1) % 20 == 0 or number + 1 == options.steps:
            minutes = (time.monotonic() - rendered) / 60
            recent = np.mean(losses[-20:])
            print(
                f"step {number + 1}/{options.steps} loss {recent:.3f} {minutes:.1f} min", flush=True
            )
    finished = time.monotonic()
    return trainer.weights(), {
        "command": "python scripts/train_demo_backbone.py",
        "options": asdict(options),
        "views": len(views.facts),
        "held_out": [name for name, kind in SPECIES.items() if kind.held_out],
        "minutes_rendering": round((rendered - started) / 60, 1),
        "minutes_training": round((finished - rendered) / 60, 1),
        "loss_first": round(float(np.mean(losses[:20])), 4),
        "loss_last": round(float(np.mean(losses[-20:])), 4),
    }


def main() -> None:
    """Parse options, train, write weights and facts."""
    defaults = Options()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=DEMO_FOLDER, help="folder for the two files")
    parser.add_argument("--config", type=Path, default=DEMO_FOLDER / "demo.json")
    parser.add_argument("--scenes", type=int, default=defaults.scenes, help="scenes to render")
    parser.add_argument("--steps", type=int, default=defaults.steps, help="batches to learn from")
    parser.add_argument("--batch", type=int, default=defaults.batch, help="views a batch")
    parser.add_argument("--seed", type=int, default=defaults.seed)
    parser.add_argument("--processes", type=int, default=defaults.processes, help="that render")
    given = parser.parse_args()
    torch.set_num_threads(2)
    options = Options(
        scenes=given.scenes, steps=given.steps, batch=given.batch, seed=given.seed,
        processes=given.processes,
    )  # fmt: skip
    weights, facts = train(options, given.config)
    write_bytes(given.out / "demo.safetensors", weights)
    write_text(given.out / "demo.facts.json", json.dumps(facts, indent=1) + "\n")
    print(f"{given.out / 'demo.safetensors'}: {len(weights) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
