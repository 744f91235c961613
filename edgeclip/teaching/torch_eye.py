"""The encoder with torch and open_clip: it reads words, and computes what golden outputs are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeclip.adapters.class_head import ZeroShot
from edgeclip.adapters.model import arrays
from edgeclip.adapters.pack_outputs import outputs_of
from edgeclip.adapters.stored import Tensors
from edgeclip.clip import DEMO, Backbone, load_backbone
from edgeclip.contract.pack import Base, read_pack_manifest
from edgeclip.contract.preprocess_spec import PreprocessSpec
from edgeclip.packs import Golden, Pack, check_golden, golden_outputs
from edgeclip.teaching.eye import Floats, Looked
from edgeclip.teaching.request import TeachRequest


@dataclass(frozen=True)
class TorchEye:
    """See `Eye`."""

    backbone: Backbone

    @property
    def base(self) -> Base:
        """Which encoder it is."""
        return self.backbone.base

    @property
    def preprocess(self) -> PreprocessSpec:
        """How a frame becomes its input."""
        return self.backbone.preprocess

    @property
    def tools(self) -> tuple[str, ...]:
        """Distributions whose versions the pack states."""
        return ("edgeclip", "torch", "open_clip_torch")

    def look(self, pixels: NDArray[np.uint8], tensors: Tensors) -> Looked:
        """Return what is seen in inputs; see `Eye`."""
        found = outputs_of(pixels, self.backbone, tensors)
        return Looked(
            found.image_features.numpy(), found.base_embedding.numpy(), found.logits.numpy()
        )

    def check(self, pack: Pack) -> None:
        """Compute a pack's golden outputs again; see `Eye`."""
        check_golden(pack, self.backbone)

    def text(self, sentences: Sequence[str]) -> Floats:
        """Return the unit mean of sentences; see `Eye`."""
        return np.asarray(self.backbone.embed_prompts([list(sentences)])[0].numpy(), np.float32)

    def start(self, columns: Sequence[Sequence[str]], column_class: Sequence[int]) -> Tensors:
        """Return the class matrix of words; see `Eye`."""
        features = self.backbone.embed_prompts(columns)
        zero_shot = ZeroShot.of(features, list(column_class), self.backbone.logit_scale)
        return arrays(zero_shot.slots())

    def golden(self, images: NDArray[np.uint8], tensors: Tensors) -> Golden:
        """Return golden outputs; see `Eye`."""
        return golden_outputs(images, self.backbone, tensors)


def torch_eye(request: TeachRequest) -> TorchEye:
    """Return the encoder that is named, else that of the pack below.

    Raises:
        ConfigError: There is no such model, or it lacks weights.
        SetupError: The weights are not at hand.
    """
    if request.on is None or request.backbone is not None:
        return TorchEye(load_backbone(str(request.backbone), request.pretrained))
    base = read_pack_manifest(request.on, check_hashes=False).base
    named = request.pretrained or (None if base.arch == DEMO else base.pretrained)
    return TorchEye(load_backbone(base.arch, named))
