"""What methods with a text side are fitted to in tests: an encoder with a tower, prompts, rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgeclip.adapters.class_head import ZeroShot
from edgeclip.adapters.model import FeatureGraph
from edgeclip.clip import Backbone
from edgeclip.features import Features
from edgeclip.methods import Base
from edgeclip.prompts import class_prompts, column_class
from edgeclip.text_side import TextSide
from edgeclip.training import TrainingRows
from support.tiny_packs import EMBED_DIM, WIDTH, write_encoder


def small_text_backbone(folder: Path) -> Backbone:
    """Return an encoder whose text tower has two layers."""
    return write_encoder(folder, text={"layers": 2, "context_length": 24}).load()


def leopard_base(backbone: Backbone) -> Base:
    """Return prompts for a leopard and blank."""
    prompts = class_prompts(["leopard", "blank"], {})
    side = TextSide(backbone, prompts)
    features = backbone.embed_prompts(side.columns)
    start = ZeroShot.of(features, column_class(prompts), backbone.logit_scale)
    return Base(start, FeatureGraph(), text=side)


def separable_rows() -> TrainingRows:
    """Return 24 rows of two classes that lie apart, of two places."""
    rng = np.random.default_rng(0)
    classes = np.arange(24, dtype=np.int64) % 2
    f = rng.normal(size=(24, EMBED_DIM)) + 0.5 * classes[:, None]
    z = rng.normal(size=(24, WIDTH))
    features = Features(z.astype(np.float32), f.astype(np.float32))
    return TrainingRows(features, classes, ["A", "B"] * 12, np.arange(24))
