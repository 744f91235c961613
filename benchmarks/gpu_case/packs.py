"""A pack that nobody trained, of an encoder that nobody trained: as fast as real ones."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.torch import save_file

from edgeclip.clip import Backbone, load_backbone, untrained_model
from edgeclip.contract.pack import PackClass, PackManifest, Thresholds, Training
from edgeclip.contract.prompt_columns import columns_sha256
from edgeclip.packs import golden_outputs, pack_files, write_pack

TOWERS: Mapping[str, dict[str, Any]] = {
    "ViT-B-32": {"image_size": 224, "layers": 12, "width": 768, "patch_size": 32},
    "ViT-L-14": {
        "image_size": 224, "layers": 24, "width": 1024, "head_width": 64, "patch_size": 14
    },
    "RN50": {"image_size": 224, "layers": [3, 4, 6, 3], "width": 64, "patch_size": None},
}  # fmt: skip
"""open_clip's `vision_cfg` by its name of the model."""

_WIDTHS = {"ViT-B-32": 512, "ViT-L-14": 768, "RN50": 1024}
_TEXT = {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 1}
_CLASSES = (("leopard", "animal"), ("civet", "animal"), ("blank", "blank"))
_HIDDEN = 128  # of the `leopard` preset's visual adapter
_NO_HASH = "0" * 64

Slots = dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class UntrainedEncoder:
    """An encoder with random weights, and its two files."""

    backbone: Backbone
    config: Path
    weights: Path


def untrained_encoder(tower: str, folder: Path) -> UntrainedEncoder:
    """Return an encoder with random weights, whose files lie in a folder.

    Args:
        tower: One of `TOWERS`; the text tower is small, since nothing here runs it.
        folder: There.
    """
    config, weights = folder / f"{tower}-random.json", folder / f"{tower}-random.safetensors"
    content = {"embed_dim": _WIDTHS[tower], "vision_cfg": TOWERS[tower], "text_cfg": _TEXT}
    config.write_text(json.dumps(content), encoding="utf-8")
    model, _ = untrained_model(config, seed=0)
    save_file(model.state_dict(), weights)
    return UntrainedEncoder(load_backbone(str(config), str(weights)), config, weights)


def random_slots(backbone: Backbone, seed: int = 0) -> Slots:
    """Return a visual adapter and a head of three columns, of the sizes of the `leopard` preset."""
    width = backbone.base.embed_dim
    rng = np.random.default_rng(seed)
    shapes = {"va_down": (width, _HIDDEN), "va_up": (_HIDDEN, width), "class_weights": (width, 3)}
    slots = {name: rng.normal(0, 0.05, shape).astype(np.float32) for name, shape in shapes.items()}
    lengths = np.linalg.norm(slots["class_weights"], axis=0)
    scale = np.asarray([backbone.logit_scale], np.float32)
    return {
        **slots,
        "class_weights": slots["class_weights"] / lengths,
        "va_ratio": np.asarray([0.2], np.float32),
        "logit_scale": scale,
    }


def write_untrained_pack(folder: Path, backbone: Backbone) -> None:
    """Write a pack of `random_slots`, with golden outputs of noise that torch computed.

    Args:
        folder: Is made.
        backbone: The encoder.
    """
    size, slots = backbone.base.image_size, random_slots(backbone)
    images = np.random.default_rng(1).integers(0, 256, (8, size, size, 3), np.uint8)
    golden = golden_outputs(images, backbone, slots)
    write_pack(folder, _manifest(backbone, slots), pack_files(slots, golden), report={})


def _manifest(backbone: Backbone, slots: Slots) -> PackManifest:
    nothing = Training(
        images=0, labels_used=0, steps=0, seed=0, trainable_params=0,
        data_sha256=_NO_HASH, split_sha256=_NO_HASH,
    )  # fmt: skip
    manifest = PackManifest(
        task="leopard",
        version="0.0.0",
        created_at=datetime.now(timezone.utc),
        tool={"benchmarks": "0"},
        method="visual",
        recipe_sha256=_NO_HASH,
        fusion_class="F1",
        graph="head",
        slots={name: list(value.shape) for name, value in slots.items()},
        base=backbone.base,
        preprocess=backbone.preprocess,
        classes=[
            PackClass(name=name, observation_type=kind, prompts=[f"a photo of a {name}"])  # type: ignore[arg-type]
            for name, kind in _CLASSES
        ],
        column_class=[0, 1, 2],
        prompts_sha256=_NO_HASH,
        thresholds={"leopard": Thresholds(on=0.6, off=0.4, peak=0.7)},
        temperature=1.0,
        training=nothing,
        metrics={},
        files={},
    )
    columns = columns_sha256(manifest.prompt_columns or {})
    return manifest.model_copy(update={"prompts_sha256": columns})
