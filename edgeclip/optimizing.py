"""The optimisers of a fit, and how their rates go: AdamW, SGD for prompts, cosine with warm-up."""

from __future__ import annotations

import math
from typing import Any

import torch

from edgeclip.adapters.component import Component
from edgeclip.adapters.model import AdapterModel
from edgeclip.adapters.soft_prompts import SoftPrompts
from edgeclip.config import Recipe

_USUAL_SCALE = 100.0  # where published CLIPs end; encoders trained for less time stay lower
_MOST_FASTER = 10.0
_MOMENTUM = 0.9  # of SGD


def optimizers_of(model: AdapterModel, recipe: Recipe) -> list[torch.optim.Optimizer]:
    """Return AdamW of all components that want it, and SGD of the others."""
    # A step of Adam moves weights by the rate and logits by the rate times their scale.
    faster = min(max(_USUAL_SCALE / model.start.logit_scale, 1), _MOST_FASTER)
    groups: dict[str, list[dict[str, Any]]] = {"adamw": [], "sgd": []}
    for component in model.parts:
        own = [p for p in component.parameters() if p.requires_grad]
        rate = _peak_rate(component, recipe) * faster
        if component.optimizer == "sgd":  # its steps have the size of the gradient, hence once more
            groups["sgd"].append({"params": own, "lr": rate * faster})
            continue
        decays = ([p for p in own if p.ndim > 1], recipe.weight_decay)
        for chosen, decay in (decays, ([p for p in own if p.ndim <= 1], 0.0)):
            if chosen:
                groups["adamw"].append({"params": chosen, "lr": rate, "weight_decay": decay})
    optimizers: list[torch.optim.Optimizer] = []
    if groups["adamw"]:
        optimizers.append(torch.optim.AdamW(groups["adamw"]))
    if groups["sgd"]:
        optimizers.append(torch.optim.SGD(groups["sgd"], momentum=_MOMENTUM))
    for group in (group for optimizer in optimizers for group in optimizer.param_groups):
        group["peak"] = group["lr"]
    return optimizers


def _peak_rate(component: Component, recipe: Recipe) -> float:
    """Return the learning rate at a logit scale of 100: of prompts their own."""
    if isinstance(component, SoftPrompts):
        return recipe.prompt_rate
    return recipe.learning_rate * component.rate / Component.rate


def rate_at(step: int, recipe: Recipe) -> float:
    """Return the share of the peak rate at a step: warm-up, then half a cosine down to 0."""
    warm = max(1, round(recipe.steps * recipe.warmup))
    if step < warm:
        return (step + 1) / warm
    done = (step - warm) / max(1, recipe.steps - warm)
    return 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))
