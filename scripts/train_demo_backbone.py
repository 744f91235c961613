"""Train the small CLIP that edgeclip carries, on scenes that edgeclip renders.

    nice python scripts/train_demo_backbone.py --out edgeclip/backbones/demo

writes `demo.safetensors` and `demo.facts.json`. The same seed, scenes and steps give the same
weights on the same machine. The leopard is held out: it is never rendered and never named, so that
teaching it from a few hundred images later is a real test.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save
from torch import Tensor
from torch.nn import functional

from edgeclip.clip import DEMO_FOLDER, untrained_model
from edgeclip.contract.files import write_bytes, write_text
from edgeclip.contract.preprocess_spec import PreprocessSpec
from edgeclip.scenes.captions import Facts, describe
from edgeclip.scenes.species import SPECIES
from edgeclip.scenes.views import sample_views

FIRST_LOCATION = 100_000  # image sets and clips begin at 0: no background is shared
SCENES_A_LOCATION = 30
WARM_UP = 0.06  # part of the steps
HIGHEST_SCALE = 4.6052  # ln 100, as in CLIP
Tokenize = Callable[[list[str]], Tensor]


@dataclass(frozen=True)
class Options:
    """What decides a training run."""

    scenes: int = 12_000
    steps: int = 700
    batch: int = 256
    learning_rate: float = 1.2e-3
    weight_decay: float = 0.05
    whole_share: float = 0.3  # of the steps, at the end, that see all patches
    seed: int = 0
    processes: int = 2


@dataclass(frozen=True)
class Views:
    """Training views in memory: `(N, S, S, 3)` uint8 RGB, and the facts of each."""

    pixels: Tensor
    facts: list[Facts]


def render_views(options: Options, spec: PreprocessSpec) -> Views:
    """Render the training scenes, one location a job."""
    locations = max(1, options.scenes // SCENES_A_LOCATION)
    count = min(options.scenes, SCENES_A_LOCATION)
    first = FIRST_LOCATION + options.seed * 1_000_000
    pixels: list[NDArray[np.uint8]] = []
    facts: list[Facts] = []
    job = partial(sample_views, count=count, spec=spec)
    with ProcessPoolExecutor(options.processes, get_context("spawn")) as pool:
        for done, views in enumerate(pool.map(job, range(first, first + locations)), start=1):
            pixels += [view.pixels for view in views]
            facts += [view.facts for view in views]
            if done % 40 == 0 or done == locations:
                print(f"rendered {done}/{locations} locations, {len(facts)} views", flush=True)
    return Views(torch.from_numpy(np.stack(pixels)), facts)


def augment(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Return views mirrored, shifted, scaled and re-exposed at random.

    Args:
        pixels: `(B, S, S, 3)` uint8 RGB.
        generator: Source of randomness.

    Returns:
        `(B, 3, S, S)` float32, about 0..1.
    """
    count = len(pixels)

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(count, *shape, generator=generator)

    images = pixels.permute(0, 3, 1, 2).float() / 255
    mirror = (torch.rand(count, generator=generator) < 0.5).float() * 2 - 1
    theta = torch.zeros(count, 2, 3)
    theta[:, 0, 0], theta[:, 1, 1] = mirror * uniform(0.82, 1.08), uniform(0.82, 1.08)
    theta[:, :, 2] = uniform(-0.1, 0.1, 2)
    grid = functional.affine_grid(theta, list(images.shape), align_corners=False)
    images = functional.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
    images = images * uniform(0.75, 1.3, 1, 1, 1) + uniform(-0.08, 0.08, 1, 1, 1)
    return images.clamp(0, 1)


def matches(stated: Sequence[Facts], true: Sequence[Facts]) -> Tensor:
    """Return `(B, B)` float32: 1 where caption i (row) holds of image j (column)."""
    words = {word: k for k, word in enumerate(sorted(frozenset().union(*stated)))}
    said = np.zeros((len(stated), len(words)), np.float32)
    held = np.zeros((len(true), len(words)), np.float32)
    for row, facts in enumerate(stated):
        said[row, [words[word] for word in facts]] = 1
    for row, facts in enumerate(true):
        held[row, [words[word] for word in facts if word in words]] = 1
    return torch.from_numpy((said @ held.T == said.sum(1, keepdims=True)).astype(np.float32))


def contrastive_loss(logits: Tensor, match: Tensor) -> Tensor:
    """Return CLIP's symmetric cross-entropy, where several captions can hold of an image.

    Args:
        logits: `(B, B)`, rows captions, columns images.
        match: `(B, B)`, 1 where the caption holds; the diagonal is 1.
    """
    by_caption = -(match / match.sum(1, keepdim=True) * logits.log_softmax(1)).sum(1).mean()
    by_image = -(match / match.sum(0, keepdim=True) * logits.log_softmax(0)).sum(0).mean()
    return (by_caption + by_image) / 2


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
        self.optimiser = self._optimiser()

    def _optimiser(self) -> torch.optim.Optimizer:
        """Decay matrices, not gains, biases or embeddings, whose rows are mostly unused."""
        decayed: list[Tensor] = []
        kept: list[Tensor] = []
        for name, parameter in self.model.named_parameters():
            plain = parameter.ndim < 2 or "embedding" in name or name == "logit_scale"
            (kept if plain else decayed).append(parameter)
        groups = [
            {"params": decayed, "weight_decay": self.options.weight_decay},
            {"params": kept, "weight_decay": 0.0},
        ]
        return torch.optim.AdamW(groups, lr=self.options.learning_rate, betas=(0.9, 0.98))

    def step(self, number: int) -> float:
        """Learn from one random batch; return its loss."""
        options = self.options
        share = number / options.steps
        rate = min(share / WARM_UP, 0.5 * (1 + np.cos(np.pi * share))) * options.learning_rate
        for group in self.optimiser.param_groups:
            group["lr"] = max(rate, options.learning_rate * 0.01)
        if share >= 1 - options.whole_share:
            self.model.visual.patch_dropout.prob = 0.0
        chosen = self.draw.choice(len(self.views.facts), options.batch, replace=False)
        true = [self.views.facts[i] for i in chosen]
        captions = [describe(facts, self.draw) for facts in true]
        tokens = self.tokenize([caption.text for caption in captions])
        self.seen_tokens[tokens.flatten()] = True
        images = augment(self.views.pixels[torch.from_numpy(chosen)], self.noise)
        features = self.model.encode_image((images - self.mean) / self.std, normalize=True)
        prompts = self.model.encode_text(tokens, normalize=True)
        logits = self.model.logit_scale.exp() * prompts @ features.T
        loss = contrastive_loss(logits, matches([c.facts for c in captions], true))
        self.optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()
        with torch.no_grad():
            self.model.logit_scale.clamp_(0, HIGHEST_SCALE)
        return loss.item()

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
    views = render_views(options, PreprocessSpec(size=size, mean=(0, 0, 0), std=(1, 1, 1)))
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
