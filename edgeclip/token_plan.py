"""Whether a training looks into the image tower: asked for, or affordable for `auto`."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from edgeclip.adapters.class_head import ZeroShot
from edgeclip.adapters.deep_graph import DeepGraph
from edgeclip.clip import Backbone
from edgeclip.config import TrainConfig
from edgeclip.errors import ConfigError
from edgeclip.features import Features
from edgeclip.makers import TowerSizes
from edgeclip.methods import AUTO, AUTO_THEN, Base, Method, fresh_model, parse_method
from edgeclip.run_folder import RunFolder
from edgeclip.token_cache import TokenCache
from edgeclip.towers import UpperTower, block_count
from edgeclip.training import TrainingRows, fit

_LEAST_BLOCKS = 4  # cross-modal blocks sit behind the last four
_STEPS = 2  # measured, after one that warms up


@dataclass(frozen=True)
class TokenPlan:
    """What of the tower is run in training.

    Attributes:
        cut: How many blocks lie below the cached tokens; None where the tower is not looked into.
        upper: The rest of the tower, or None.
        skipped: Method -> why `auto` does not try it.
    """

    cut: int | None = None
    upper: UpperTower | None = None
    skipped: Mapping[str, str] = field(default_factory=dict)


def plan_tokens(
    config: TrainConfig, backbone: Backbone, start: ZeroShot, kept: RunFolder
) -> TokenPlan:
    """Return the plan of a training.

    Args:
        config: Names the method, and what `auto` may spend.
        backbone: The frozen encoder.
        start: The class matrix of the prompts.
        kept: Remembers what was measured, so that a continued run decides alike.

    Raises:
        ConfigError: The method reaches into the tower, and the tower is of an unknown kind.
    """
    blocks = block_count(backbone.tower.visual)
    if config.method != AUTO:
        method = parse_method(config.method)
        return _looked_into(config, backbone, blocks) if method.level == "tokens" else TokenPlan()
    inside = [m for m in map(parse_method, AUTO_THEN) if m.level == "tokens"]
    if not blocks:
        return TokenPlan(skipped={m.name: "the image tower has no blocks" for m in inside})
    plan = _looked_into(config, backbone, blocks)

    def measured() -> float:
        return sum(_minutes(method, config, backbone, start, plan) for method in inside)

    minutes = kept.measured("minutes", measured)
    if minutes <= config.budget_minutes:
        return plan
    why = f"about {minutes:.0f} minutes here: --budget-minutes {np.ceil(minutes):.0f} tries it"
    return TokenPlan(skipped={method.name: why for method in inside})


def _looked_into(config: TrainConfig, backbone: Backbone, blocks: int) -> TokenPlan:
    cut = max(blocks - max(config.recipe.blocks, _LEAST_BLOCKS), 0)
    _, upper = backbone.split(cut)  # refuses a tower that is not known
    return TokenPlan(cut, upper)


def _minutes(
    method: Method, config: TrainConfig, backbone: Backbone, start: ZeroShot, plan: TokenPlan
) -> float:
    """Return about how long a method takes for all rounds and the last fit, measured on noise."""
    if plan.upper is None:
        raise ConfigError("no plan to look into the tower")
    batch = config.recipe.token_batch
    base = Base(
        start, DeepGraph(plan.upper), tower=tower_sizes(backbone), deep=DeepGraph(plan.upper)
    )
    rows = _noise(backbone, plan, batch)
    seconds = []
    for steps in (1, 1 + _STEPS):
        recipe = config.recipe.model_copy(update={"steps": steps})
        model = fresh_model(method, base, rows, recipe)
        began = time.perf_counter()
        fit(model, rows, recipe)
        seconds.append(time.perf_counter() - began)
    a_step = max(seconds[1] - seconds[0], 0) / _STEPS
    return a_step * config.recipe.steps * (config.folds + 1) / 60


def tower_sizes(backbone: Backbone) -> TowerSizes:
    """Return the sizes of an image tower; no blocks and one token for one that is not known."""
    visual, width = backbone.tower.visual, backbone.base.width
    blocks = block_count(visual)
    tokens = len(visual.positional_embedding) if blocks else 1
    return TowerSizes(width, blocks, tokens, backbone.tower.projection.detach().cpu())


def _noise(backbone: Backbone, plan: TokenPlan, batch: int) -> TrainingRows:
    size = backbone.preprocess.size
    lower, _ = backbone.split(plan.cut or 0)
    images = np.random.default_rng(0).integers(0, 256, (2, size, size, 3), np.uint8)
    tokens = backbone.embed_tokens(images, lower)
    cache = TokenCache(None)
    keys = [f"{number:064d}" for number in range(batch)]
    cache.put(keys, tokens.numpy()[np.arange(batch) % 2])
    base, rng = backbone.base, np.random.default_rng(1)
    z, f = (
        rng.normal(size=(batch, width)).astype(np.float32) for width in (base.width, base.embed_dim)
    )
    classes = np.arange(batch) % 2
    return TrainingRows(
        Features(z, f, cache.rows(keys)), classes, ["one place"] * batch, np.arange(batch)
    )
