"""A bench for adapters of every kind: each is made as training makes it, around a small tower."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from edgeclip.adapters.class_head import ZeroShot
from edgeclip.adapters.component import Component
from edgeclip.adapters.deep_graph import DeepGraph
from edgeclip.adapters.meta import MetaWeights
from edgeclip.adapters.model import AdapterModel, FeatureGraph, Graph, Inputs
from edgeclip.adapters.running import run_graph
from edgeclip.adapters.stages import StageGraph
from edgeclip.adapters.weight_graph import WeightGraph
from edgeclip.clip import Backbone
from edgeclip.config import Recipe
from edgeclip.features import Features
from edgeclip.kinds import Level
from edgeclip.makers import MAKERS
from edgeclip.methods import Base, fitted, fresh_model, parse_method
from edgeclip.prompts import class_prompts, column_class
from edgeclip.text_side import TextSide
from edgeclip.token_cache import TokenCache
from edgeclip.token_plan import tower_sizes
from edgeclip.towers import Lower, split_stages
from edgeclip.training import TrainingRows, inputs_of
from support.towers import (
    RESNET,
    VIT,
    coarse_frames,
    disturb,
    give_norms_statistics,
    load_tower,
)

EVERY = tuple(MAKERS)
TRAINED = tuple(kind for kind, maker in MAKERS.items() if maker.trained)
TRAINING_FREE = tuple(kind for kind in EVERY if kind not in TRAINED)
IMAGES = 16
_TEXT: dict[str, object] = {"width": 64, "heads": 4, "layers": 2}  # room for prompts to learn
SMALL = Recipe(
    steps=3, batch=8, token_batch=8, reduction=2, attention=4, pooling_attention=4, blocks=2,
    block_hidden=4, seed=3,
)  # fmt: skip


@dataclass(frozen=True)
class Bench:
    """A tower, what methods start from, and 16 random images with labels.

    Attributes:
        backbone: Small, with random weights.
        base: With the graph that the bench's adapters are trained through.
        rows: Of the images, at four places.
    """

    backbone: Backbone
    base: Base
    rows: TrainingRows

    @property
    def inputs(self) -> Inputs:
        """All rows."""
        return inputs_of(self.rows.features, np.arange(len(self.rows.classes)))

    @property
    def graph(self) -> Graph:
        """From inputs to outputs."""
        return self.base.inside or self.base.graph

    def fresh(self, kind: str, recipe: Recipe = SMALL) -> AdapterModel:
        """Return a trained kind at its start."""
        return fresh_model(parse_method(kind), self.base, self.rows, recipe)

    def fit(self, kind: str, recipe: Recipe = SMALL) -> AdapterModel:
        """Return a kind after its fit; a training-free one with its last setting."""
        setting = MAKERS[kind].settings[-1]
        return fitted(parse_method(kind), self.base, self.rows, recipe, setting=setting)

    def moved(self, kind: str) -> AdapterModel:
        """Return a kind as after some training: nothing of it is zero."""
        model = self.fresh(kind) if kind in TRAINED else self.fit(kind)
        disturb(model, by=0.1)
        return model.eval()

    def logits(self, model: AdapterModel, share: float) -> Tensor:
        """Return the logits of all images, from the tensors that a pack would store."""
        return run_graph(model.graph, self.inputs, model.pack_tensors(share)).logits

    def zero_shot(self) -> Tensor:
        """Return the logits without any adapter."""
        return self.logits(AdapterModel(self.base.start, (), self.graph), 1.0)

    def with_labels(self, labels: NDArray[np.int64]) -> Bench:
        """Return the bench with other labels for its images."""
        rows = self.rows
        changed = TrainingRows(rows.features, labels, rows.locations, rows.origins)
        return Bench(self.backbone, self.base, changed)


def component(model: AdapterModel) -> Component:
    """Return the one adapter of a model."""
    (own,) = model.parts
    return own


def make_bench(level: Level, folder: Path, *, images: int = IMAGES) -> Bench:
    """Return the bench of a level: a small ViT, or a ResNet for `stages`.

    Args:
        level: Where its adapters look.
        folder: For the encoder's files; is made.
        images: How many.
    """
    backbone = load_tower(folder, RESNET if level == "stages" else VIT, text=_TEXT)
    give_norms_statistics(backbone)
    prompts = class_prompts(["leopard", "blank"], {})
    side = TextSide(backbone, prompts)
    features = backbone.embed_prompts(side.columns)
    start = ZeroShot.of(features, column_class(prompts), 20.0)
    torch.manual_seed(0)
    meta = MetaWeights(backbone.base.embed_dim)
    disturb(meta, by=0.5)
    inside, lower = _inside(level, backbone)
    base = Base(start, FeatureGraph(), (), side, tower_sizes(backbone), inside, meta)
    labels = np.random.default_rng(1).permutation(np.arange(images, dtype=np.int64) % 2)
    places = [f"place {number % 4}" for number in range(images)]
    given = _features(backbone, lower, images)
    return Bench(backbone, base, TrainingRows(given, labels, places, np.arange(images)))


def _inside(level: Level, backbone: Backbone) -> tuple[Graph | None, Lower | None]:
    tower = backbone.tower
    if level == "features":
        return None, None
    if level == "stages":
        return StageGraph(tower, 0), split_stages(tower.visual, tower.projection, 0)[0]
    cut = 0 if level == "tokens" else 1
    lower, upper = backbone.split(cut)
    return (DeepGraph(upper) if level == "tokens" else WeightGraph(tower, cut)), lower


def _features(backbone: Backbone, lower: Lower | None, images: int) -> Features:
    if lower is None:  # far apart, as frames of noise are not under a tower that learned nothing
        rng = np.random.default_rng(2)
        z = rng.normal(size=(images, backbone.base.width)).astype(np.float32)
        return Features(z, z @ backbone.tower.projection.detach().numpy())
    frames = coarse_frames(images)
    z, f = (part.numpy() for part in backbone.embed_images(frames))
    cache, keys = TokenCache(None), [f"{number:064d}" for number in range(images)]
    cache.put(keys, backbone.embed_tokens(frames, lower).numpy())
    return Features(z, f, cache.rows(keys))
