"""A small CLIP with random weights, saved and loaded as a real one is, and packs for it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from edgeclip import clip
from edgeclip.adapters.block import BlockSettings
from edgeclip.adapters.component import Component
from edgeclip.adapters.model import arrays
from edgeclip.adapters.normed_adapter import NormedAdapter
from edgeclip.adapters.parallel_mlp import ParallelMlp
from edgeclip.adapters.stages import StageAdapters, StageSettings
from edgeclip.adapters.tower_tuning import LowRank, NormTuning, SingularValues
from edgeclip.adapters.weight_graph import WeightGraph
from edgeclip.contract.deltas import changes_weights
from edgeclip.contract.pack import PackClass, PackManifest, Thresholds
from edgeclip.contract.slots import ALL_SLOTS, adapted_blocks, cross_modal_blocks, graph_of
from edgeclip.packs import golden_outputs, pack_files, write_pack
from support.samples import hashed, pack_manifest

LAYERS = 2
SIZE = 32
WIDTH = 48
EMBED_DIM = 24

Tensors = dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class TinyEncoder:
    """A CLIP's files: the model configuration and the weights."""

    config: Path
    weights: Path

    def load(self) -> clip.Backbone:
        """Return it, loaded the way every encoder is."""
        return clip.load_backbone(str(self.config), str(self.weights))


def write_encoder(
    folder: Path,
    *,
    seed: int = 0,
    quick_gelu: bool = False,
    vision: dict[str, object] | None = None,
    text: dict[str, object] | None = None,
    custom_text: bool = False,
) -> TinyEncoder:
    """Write a CLIP with random weights: a ViT of two layers, or another image tower.

    Args:
        folder: Is made.
        seed: Of the weights.
        quick_gelu: Which activation.
        vision: open_clip's `vision_cfg` of another image tower.
        text: What differs in open_clip's `text_cfg`.
        custom_text: Whether the text tower is a module of its own.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "tiny-vit.json"
    vision = vision or {
        "image_size": SIZE,
        "layers": LAYERS,
        "width": WIDTH,
        "patch_size": 8,
        "head_width": 16,
    }
    usual = {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}
    content = {"embed_dim": EMBED_DIM, "vision_cfg": vision, "text_cfg": {**usual, **(text or {})}}
    config.write_text(json.dumps(content | {"quick_gelu": quick_gelu, "custom_text": custom_text}))
    model, _ = clip.untrained_model(config, seed)
    weights = folder / "tiny-vit.safetensors"
    save_file(model.state_dict(), weights)
    return TinyEncoder(config, weights)


def random_tensors(
    seed: int,
    *,
    columns: int,
    names: tuple[str, ...],
    hidden: int = 6,
    width: int = WIDTH,
    embed_dim: int = EMBED_DIM,
    blocks: int = LAYERS,
) -> Tensors:
    """Return random values for some slots, with a logit scale and whatever else a pack must have.

    Args:
        seed: Of the values.
        columns: K.
        names: Slots beside `class_weights` and `logit_scale`.
        hidden: H.
        width: D of the encoder.
        embed_dim: E of the encoder.
        blocks: L of the encoder.
    """
    sizes = {"1": 1, "D": width, "E": embed_dim, "H": hidden, "d": 3, "M": 4, "K": columns, "C": 5}
    sizes |= {"h": 5, "T": 6, "A": adapted_blocks(blocks), "X": cross_modal_blocks(blocks)}
    rng = np.random.default_rng(seed)
    tensors = {
        name: rng.normal(0, 0.3, [sizes[letter] for letter in ALL_SLOTS[name].dims])
        for name in ("class_weights", *names)
    }
    tensors["logit_scale"] = np.array([20.0])
    return {name: value.astype(np.float32) for name, value in tensors.items()}


def random_deltas(backbone: clip.Backbone, kind: str, *, seed: int = 0) -> Tensors:
    """Return what a method would make of the encoder's own weights, at random.

    Args:
        backbone: The encoder.
        kind: ln, lora, svd, stages, parallel_mlp or mlp_ln.
        seed: Of the values.
    """
    makers: dict[str, Callable[[], Component]] = {
        "ln": lambda: NormTuning(WeightGraph(backbone.tower).weights),
        "lora": lambda: LowRank(WeightGraph(backbone.tower).weights),
        "svd": lambda: SingularValues(WeightGraph(backbone.tower).weights),
        "parallel_mlp": lambda: ParallelMlp(
            WeightGraph(backbone.tower).weights, BlockSettings(last=1, hidden=3)
        ),
        "mlp_ln": lambda: NormedAdapter(backbone.base.embed_dim, reduction=2, ratio=0.5),
        "stages": lambda: StageAdapters(backbone.tower, StageSettings(hidden=4)),
    }
    torch.manual_seed(seed)
    component = makers[kind]().eval()
    for parameter in component.parameters():
        parameter.data.add_(0.2 * torch.randn(parameter.shape))
    return arrays(component.slots())


def write_tiny_pack(
    folder: Path,
    backbone: clip.Backbone,
    tensors: Tensors,
    *,
    version: str = "1.0.0",
    golden_change: float = 0.0,
) -> PackManifest:
    """Write a pack with golden outputs that torch computed.

    Args:
        folder: Is made.
        backbone: The encoder.
        tensors: By slot.
        version: Of the pack.
        golden_change: Added to the golden logits, to make them wrong.
    """
    size = backbone.base.image_size
    images = np.random.default_rng(5).integers(0, 256, (8, size, size, 3), np.uint8)
    golden = golden_outputs(images, backbone, tensors)
    golden.logits[0, 0] += golden_change
    columns = tensors["class_weights"].shape[1]
    classes = [
        PackClass(name=f"species {index}", observation_type="animal", prompts=["an animal"])
        for index in range(columns - 1)
    ]
    blank = PackClass(name="blank", observation_type="blank", prompts=["grass"])
    manifest = pack_manifest().model_copy(
        update={
            "version": version,
            "base": backbone.base,
            "graph": graph_of(tensors),
            "fusion_class": "bake-only" if changes_weights(tensors) else "F1",
            "preprocess": backbone.preprocess,
            "slots": {name: list(value.shape) for name, value in tensors.items()},
            "classes": [*classes, blank],
            "column_class": list(range(columns)),
            "thresholds": {"species 0": Thresholds(on=0.6, off=0.4, peak=0.7)},
        }
    )
    return write_pack(folder, hashed(manifest), pack_files(tensors, golden), report={})
