"""MobileNetV2 of timm: the CNN that is fine-tuned where ResNet-50 weights cannot be had."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import timm
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from edgeclip.baselines.cnn import Cnn
from edgeclip.errors import SetupError

_CLASSIFIER = "classifier."


def mobilenet_v2(size: int, weights: Path) -> Cnn:
    """Return timm's MobileNetV2 (Sandler et al., CVPR 2018, arXiv 1801.04381) with given weights.

    Args:
        size: Side of its input, px.
        weights: A safetensors file of `mobilenetv2_100`.

    Raises:
        SetupError: The file is absent, or is no MobileNetV2's.
    """
    if not weights.is_file():
        raise SetupError(f"no MobileNetV2 weights at {weights}: name a file of mobilenetv2_100")

    def build(classes: int) -> nn.Module:
        model: Any = timm.create_model("mobilenetv2_100", pad_type="same", num_classes=classes)
        try:
            given = load_file(weights)
            state = {n: t for n, t in given.items() if not n.startswith(_CLASSIFIER)}
            missing, surplus = model.load_state_dict(state, strict=False)
        except (SafetensorError, RuntimeError) as error:
            reason = " ".join(str(error).split())[:200]
            raise SetupError(f"{weights} is no MobileNetV2 of timm ({reason})") from error
        if surplus or any(not name.startswith(_CLASSIFIER) for name in missing):
            raise SetupError(f"{weights} is no MobileNetV2 of timm: name another file")
        network: nn.Module = model
        return network

    half = (0.5, 0.5, 0.5)  # as these weights were trained with
    note = f"starts from {weights.name}, {size} px; not a ResNet-50: 2.2 million parameters"
    return Cnn("MobileNetV2", build, size, half, half, note)
