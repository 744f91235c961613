"""Whether a training looks into the image tower, and from where: asked for, or affordable."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from edgeclip.adapters.deep_graph import DeepGraph
from edgeclip.adapters.model import Graph
from edgeclip.adapters.stages import StageGraph
from edgeclip.adapters.weight_graph import WeightGraph
from edgeclip.beside import Beside
from edgeclip.clip import Backbone
from edgeclip.config import TrainConfig
from edgeclip.earlier import Earlier
from edgeclip.errors import ConfigError
from edgeclip.features import Features
from edgeclip.kinds import AUTO, AUTO_FIRST, AUTO_THEN
from edgeclip.makers import MAKERS
from edgeclip.making import TowerSizes
from edgeclip.methods import Base, Method, fresh_model, parse_method, without_place
from edgeclip.run_folder import RunFolder
from edgeclip.token_cache import TokenCache
from edgeclip.tower_kinds import STAGES, block_count, is_staged, require_blocks
from edgeclip.towers import split_at
from edgeclip.training import TrainingRows, fit

AUTO_MINUTES = 10.0
"""That `auto` may spend inside the tower unless told otherwise."""

_LEAST_BLOCKS = 4  # cross-modal blocks sit behind the last four
_BEFORE_THE_PROJECTION = ("linear", "proj")  # they read z, which a text does not have
_STEPS = 3  # measured, after one that warms up


@dataclass(frozen=True)
class Inside:
    """Where the tower is cut, and what is run above.

    Attributes:
        cut: How many blocks, of a ResNet stages, lie below what is cached; None caches pixels.
        graph: From there to the outputs.
    """

    cut: int | None
    graph: Graph


@dataclass(frozen=True)
class TokenPlan:
    """How a training looks at images.

    Attributes:
        inside: How it looks into the tower, or None.
        changed: The encoder that an earlier pack changed, whose features are looked at too.
        skipped: Method -> why `auto` does not try it.
    """

    inside: Inside | None = None
    changed: Backbone | None = None
    skipped: Mapping[str, str] = field(default_factory=dict)


def look_inside(config: TrainConfig, method: Method, backbone: Backbone) -> Inside | None:
    """Return how a method looks into the tower; None where it does not.

    Raises:
        ConfigError: It does, and the tower is not of its kind; or what was asked for would not
            reach the pack.
    """
    tower, recipe = backbone.tower, config.recipe
    _refuse_in_vain(config, method, backbone)
    if method.level == "features":
        return None
    if recipe.text_samples:
        raise ConfigError(
            f"text_samples are features, and {method.name} looks into the encoder: leave them out,"
            " or name methods of the head"
        )
    if method.level == "stages":
        return Inside(0, StageGraph(tower))
    require_blocks(tower.visual)
    blocks = block_count(tower.visual)
    if method.level == "weights":
        others = [kind for kind in method.kinds if MAKERS[kind].level == "weights"]
        upper = recipe.blocks if others == ["parallel_mlp"] else recipe.tuned_blocks or blocks
        cut = blocks - min(upper, blocks)
        whole = recipe.tuned_blocks is None and "ln" in method.kinds  # one norm lies below block 0
        return Inside(None if whole else cut, WeightGraph(tower, None if whole else cut))
    cut = max(blocks - max(recipe.blocks, _LEAST_BLOCKS), 0)
    return Inside(cut, DeepGraph(backbone.split(cut)[1]))


def plan_tokens(
    config: TrainConfig, backbone: Backbone, base: Base, earlier: Earlier, kept: RunFolder
) -> TokenPlan:
    """Return the plan of a training.

    Args:
        config: Names the method, and what may be spent.
        backbone: The frozen encoder.
        base: The class matrix of the prompts, and the prompts.
        earlier: The pack that the training stands on.
        kept: Remembers what was measured, so that a continued run decides alike.

    Raises:
        ConfigError: The method reaches into the tower, and the tower is of an unknown kind, an
            earlier pack changed it, or that takes longer than was allowed; or text samples are
            asked for where they teach nothing.
    """
    if earlier.changed and config.recipe.text_samples:
        raise ConfigError(
            f"--on {config.on} changes the encoder's own weights, and text_samples are features of"
            " the encoder as it was: leave them out"
        )
    if config.method != AUTO:
        return _named(config, backbone, base, earlier, kept)
    plan = _auto(config, backbone, base, earlier, kept)
    if not config.recipe.text_samples:
        return plan
    without = [m.name for m in map(parse_method, (*AUTO_FIRST, *AUTO_THEN)) if _reads_z(m)]
    why = "text_samples teach it nothing: they have no features before the projection"
    return replace(plan, skipped={**plan.skipped, **dict.fromkeys(without, why)})


def _auto(
    config: TrainConfig, backbone: Backbone, base: Base, earlier: Earlier, kept: RunFolder
) -> TokenPlan:
    """Return the plan of `auto`: inside the tower too, where that can be paid for."""
    inside = [m for m in map(parse_method, AUTO_THEN) if m.level == "tokens"]
    if earlier.changed:
        why = "the earlier pack changes the encoder's weights"
        return TokenPlan(changed=earlier.changed, skipped={m.name: why for m in inside})
    if config.recipe.text_samples:
        why = "text_samples go with methods of the head"
        return TokenPlan(skipped={m.name: why for m in inside})
    if is_staged(backbone.tower.visual):
        why = "the image tower is a ResNet: --method stages+head trains inside it"
        return TokenPlan(skipped={m.name: why for m in inside})
    if not block_count(backbone.tower.visual):
        return TokenPlan(skipped={m.name: "the image tower has no blocks" for m in inside})
    found = look_inside(config, inside[0], backbone)
    minutes = kept.measured(
        "minutes", lambda: sum(_minutes(m, config, backbone, base, found) for m in inside)
    )
    budget = AUTO_MINUTES if config.budget_minutes is None else config.budget_minutes
    if minutes <= budget:
        return TokenPlan(found)
    why = f"about {minutes:.0f} minutes here: --budget-minutes {np.ceil(minutes):.0f} tries it"
    return TokenPlan(skipped={method.name: why for method in inside})


def _named(
    config: TrainConfig, backbone: Backbone, base: Base, earlier: Earlier, kept: RunFolder
) -> TokenPlan:
    method = parse_method(config.method)
    if kind := without_place(method, earlier.parts):
        raise ConfigError(
            f"--on {config.on} leaves no place for {kind} (it has"
            f" {', '.join(part.kind for part in earlier.parts)}): name other methods"
        )
    inside = look_inside(config, method, backbone)
    if earlier.changed is None or (inside is None and "mlp_ln" not in method.kinds):
        _refuse_beyond_budget(config, method, backbone, base, inside, kept)
        return TokenPlan(inside, earlier.changed)
    raise ConfigError(
        f"--on {config.on} changes the encoder's own weights, and {method.name} looks into the"
        " encoder too: add methods of the head, or train both by one --method"
    )


def _reads_z(method: Method) -> str | None:
    """Return which of a method's components reads what only images have, if any."""
    return next((kind for kind in method.kinds if kind in _BEFORE_THE_PROJECTION), None)


def _refuse_in_vain(config: TrainConfig, method: Method, backbone: Backbone) -> None:
    """Refuse before all work what could not be written, or would change nothing."""
    width, embed_dim = backbone.base.width, backbone.base.embed_dim
    if "mlp_ln" in method.kinds and width < embed_dim:
        raise ConfigError(
            f"--method {method.name}: mlp_ln cannot be baked into {backbone.base.arch}, which has"
            f" {width} numbers before its projection and {embed_dim} behind: use visual"
        )
    if config.recipe.text_samples and (kind := _reads_z(method)):
        raise ConfigError(
            f"--method {method.name}: text_samples teach {kind} nothing, they have no features"
            f" before the projection: leave them out, or {kind}"
        )


def _refuse_beyond_budget(
    config: TrainConfig,
    method: Method,
    backbone: Backbone,
    base: Base,
    inside: Inside | None,
    kept: RunFolder,
) -> None:
    if inside is None or config.budget_minutes is None:
        return
    minutes = kept.measured("minutes", lambda: _minutes(method, config, backbone, base, inside))
    if minutes > config.budget_minutes:
        raise ConfigError(
            f"--method {method.name} takes about {minutes:.0f} minutes here, --budget-minutes"
            f" {config.budget_minutes:g} are allowed: allow {np.ceil(minutes):.0f}, or lower"
            " --folds, --steps or --tuned-blocks"
        )


def _minutes(
    method: Method,
    config: TrainConfig,
    backbone: Backbone,
    base: Base,
    inside: Inside | None,
) -> float:
    """Return about how long a method takes for all rounds and the last fit, measured on noise."""
    if inside is None:
        raise ValueError("no plan to look into the tower")
    timed = Base(
        base.start, inside.graph,
        text=base.text, tower=tower_sizes(backbone), inside=inside.graph,
    )  # fmt: skip
    rows = _noise(backbone, inside, config.recipe.token_batch)
    if config.unlabelled:  # a second batch in each step
        rows = replace(rows, beside=Beside(rows.features))
    seconds = 0.0
    for steps in (1, _STEPS):  # the first fit warms up, and takes longer than a step does
        recipe = config.recipe.model_copy(update={"steps": steps})
        model = fresh_model(method, timed, rows, recipe)
        began = time.perf_counter()
        fit(model, rows, recipe)
        seconds = time.perf_counter() - began
    return seconds / _STEPS * config.recipe.steps * (config.folds + 1) / 60


def tower_sizes(backbone: Backbone) -> TowerSizes:
    """Return the sizes of an image tower; no blocks and one token for one that is not known."""
    visual, width = backbone.tower.visual, backbone.base.width
    blocks = block_count(visual)
    tokens = len(visual.positional_embedding) if blocks else 1
    places = {}
    if is_staged(visual):  # each stage halves the side that the one before it left
        places = {s: (backbone.preprocess.size // (4 << i)) ** 2 for i, s in enumerate(STAGES)}
    return TowerSizes(width, blocks, tokens, backbone.tower.projection.detach().cpu(), places)


def _noise(backbone: Backbone, inside: Inside, batch: int) -> TrainingRows:
    size = backbone.preprocess.size
    lower, _ = split_at(backbone.tower, inside.cut)
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
