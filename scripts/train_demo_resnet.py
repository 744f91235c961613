"""Train a ResNet-50 on the scenes of the demo backbone: the fair start of a baseline.

    python scripts/train_demo_resnet.py --device cuda --processes 16 --out build/resnet50-demo

writes `resnet50-*.safetensors` (float16, about 47 MB in parts) and `resnet50.facts.json`. It is
taught what the demo backbone is taught, the facts of each view, and beside them its species, from
the same scenes and seed; the leopard is held out. Nothing of it is carried by the project.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn import functional

from edgeclip.baselines.resnet import MEAN, STD, untrained_resnet50
from edgeclip.contract.files import new_folder, write_text
from edgeclip.scenes.species import SPECIES
from edgeclip.scenes.views import TRAINING_LABELS

sys.path.insert(0, str(Path(__file__).parents[1]))  # this file is run by its name

from scripts.contrastive import augment, facts_matrix
from scripts.rendered_views import Views, render_views

FACTS_FILE = "resnet50.facts.json"
CHECK_FIRST_LOCATION = 200_000  # where benchmarks.demo_backbone measures the demo backbone by name


@dataclass(frozen=True)
class Options:
    """What decides a training run."""

    scenes: int = 12_000  # as the demo backbone's
    size: int = 96
    steps: int = 3600
    batch: int = 128
    learning_rate: float = 1e-3  # AdamW
    weight_decay: float = 0.05
    facts_weight: float = 4.0  # as the demo backbone's
    warm_up: float = 0.06  # part of the steps
    seed: int = 0
    check_scenes: int = 720  # at new locations, to say how well it knows what it was taught


class Trainer:
    """A ResNet-50, its optimiser and its randomness; `step` learns from one batch."""

    def __init__(self, views: Views, options: Options, device: str) -> None:
        torch.manual_seed(options.seed)
        words = sorted(frozenset().union(*views.facts))
        torch.backends.cudnn.benchmark = device == "cuda"  # all batches have one shape
        model = untrained_resnet50(len(words) + len(TRAINING_LABELS), options.size).train()
        self.model = model.to(device).to(memory_format=torch.channels_last)
        self.options, self.device = options, device
        self.draw = torch.Generator().manual_seed(options.seed)
        self.noise = torch.Generator(device).manual_seed(options.seed)
        self.pixels = views.pixels.to(device)
        self.facts = facts_matrix(views.facts, words).to(device)
        self.species = torch.tensor([TRAINING_LABELS.index(n) for n in views.labels], device=device)
        matrices = [p for p in self.model.parameters() if p.ndim > 1]
        others = [p for p in self.model.parameters() if p.ndim <= 1]
        groups: list[dict[str, Any]] = [
            {"params": matrices},
            {"params": others, "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(
            groups, lr=options.learning_rate, weight_decay=options.weight_decay, fused=True
        )

    def step(self, number: int) -> Tensor:
        """Learn from one random batch; return its loss, on the device."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.options.learning_rate * self._rate(number)
        count = min(self.options.batch, len(self.pixels))
        chosen = torch.randperm(len(self.pixels), generator=self.draw)[:count].to(self.device)
        outputs = self._outputs(augment(self.pixels[chosen], self.noise))
        facts = self.facts.shape[1]
        said = functional.binary_cross_entropy_with_logits(outputs[:, :facts], self.facts[chosen])
        named = functional.cross_entropy(outputs[:, facts:], self.species[chosen])
        self.optimizer.zero_grad(set_to_none=True)
        loss = named + self.options.facts_weight * said
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        return loss.detach()

    def accuracy(self, views: Views) -> dict[str, float]:
        """Return top-1 over blank and the trained species, of views it was not trained on."""
        self.model.eval()
        right = 0
        with torch.inference_mode():
            for start in range(0, len(views.labels), self.options.batch):
                batch = views.pixels[start : start + self.options.batch].to(self.device)
                outputs = self._outputs(batch.permute(0, 3, 1, 2).float() / 255)
                guessed = outputs[:, self.facts.shape[1] :].argmax(1).tolist()
                names = views.labels[start : start + self.options.batch]
                right += sum(TRAINING_LABELS[g] == n for g, n in zip(guessed, names, strict=True))
        self.model.train()
        return {"views": len(views.labels), "top1": round(right / len(views.labels), 4)}

    def _rate(self, number: int) -> float:
        """Warm up, then a cosine to nearly zero; the part of the learning rate."""
        share = number / self.options.steps
        return max(min(share / self.options.warm_up, 0.5 * (1 + math.cos(math.pi * share))), 0.01)

    def _outputs(self, images: Tensor) -> Tensor:
        mean, std = (torch.tensor(v, device=self.device).view(3, 1, 1) for v in (MEAN, STD))
        normal = ((images - mean) / std).contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device, torch.bfloat16, enabled=self.device != "cpu"):
            outputs: Tensor = self.model(normal)
        return outputs.float()


def parts_of(model: nn.Module, most_bytes: int) -> list[bytes]:
    """Return the pretrained layers as safetensors, in parts of limited size.

    Matrices are float16; the few vectors (gains, biases, statistics) stay float32. The classifier,
    which is of no use elsewhere, is left out.

    Args:
        model: A ResNet-50.
        most_bytes: Of the tensors of a part; one larger tensor alone may exceed it.
    """
    parts: list[dict[str, Tensor]] = [{}]
    filled = 0
    for name, tensor in model.state_dict().items():
        if name.startswith("fc."):
            continue
        own = (tensor.half() if tensor.ndim > 1 else tensor).cpu().contiguous()
        size = own.numel() * own.element_size()
        if filled + size > most_bytes and parts[-1]:
            parts.append({})
            filled = 0
        parts[-1][name] = own
        filled += size
    return [bytes(save(part)) for part in parts]


def train(options: Options, *, device: str, processes: int) -> tuple[nn.Module, dict[str, Any]]:
    """Return the trained model and the facts of a whole training run.

    Args:
        options: Decide the run.
        device: `cpu` or `cuda`.
        processes: That render.
    """
    started = time.monotonic()
    views = render_views(options.scenes, options.size, seed=options.seed, processes=processes)
    check = render_views(
        options.check_scenes, options.size, seed=0, processes=processes, first=CHECK_FIRST_LOCATION
    )
    rendered = time.monotonic()
    trainer = Trainer(views, options, device)
    losses: list[Tensor] = []
    for number in range(options.steps):
        losses.append(trainer.step(number))
        if (number + 1) % 100 == 0 or number + 1 == options.steps:
            minutes = (time.monotonic() - rendered) / 60
            recent = float(torch.stack(losses[-100:]).mean())
            print(
                f"step {number + 1}/{options.steps} loss {recent:.3f} {minutes:.2f} min", flush=True
            )
    accuracy = trainer.accuracy(check)
    finished = time.monotonic()
    return trainer.model, {
        "command": "python scripts/train_demo_resnet.py",
        "options": asdict(options),
        "device": torch.cuda.get_device_name() if device == "cuda" else device,
        "views": len(views.labels),
        "held_out": [name for name, kind in SPECIES.items() if kind.held_out],
        "minutes_rendering": round((rendered - started) / 60, 2),
        "minutes_training": round((finished - rendered) / 60, 2),
        "loss_first": round(float(torch.stack(losses[:20]).mean()), 4),
        "loss_last": round(float(torch.stack(losses[-20:]).mean()), 4),
        "new_locations": accuracy,
    }


def main() -> None:
    """Parse options, train, write weights and facts."""
    defaults = Options()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="folder to be made")
    parser.add_argument("--scenes", type=int, default=defaults.scenes, help="scenes to render")
    parser.add_argument("--steps", type=int, default=defaults.steps, help="batches to learn from")
    parser.add_argument("--batch", type=int, default=defaults.batch, help="views a batch")
    parser.add_argument("--size", type=int, default=defaults.size, help="side of a view, px")
    parser.add_argument("--seed", type=int, default=defaults.seed)
    parser.add_argument("--check-scenes", type=int, default=defaults.check_scenes)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--processes", type=int, default=2, help="that render")
    parser.add_argument("--shard-mb", type=float, default=14, help="most of a file, MB")
    given = parser.parse_args()
    options = Options(
        scenes=given.scenes, steps=given.steps, batch=given.batch, size=given.size,
        seed=given.seed, check_scenes=given.check_scenes,
    )  # fmt: skip
    model, facts = train(options, device=given.device, processes=given.processes)
    parts = parts_of(model, round(given.shard_mb * 1e6))
    with new_folder(given.out) as folder:
        for number, data in enumerate(parts, start=1):
            (folder / f"resnet50-{number}-of-{len(parts)}.safetensors").write_bytes(data)
        write_text(folder / FACTS_FILE, json.dumps(facts, indent=1) + "\n")
    print(json.dumps(facts))
    print(f"{given.out}: {sum(map(len, parts)) / 1e6:.1f} MB in {len(parts)} files")


if __name__ == "__main__":
    main()
