"""A CNN that may be fine-tuned in full, with its pretrained layers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from edgeclip.baselines.resnet import MEAN, STD, pretrained_resnet50, resnet50_weights

Channels = tuple[float, float, float]


@dataclass(frozen=True)
class Cnn:
    """A CNN with pretrained layers.

    Attributes:
        name: As tables show it.
        build: Number of classes -> the network with a new classifier, from torch's generator.
        size: Side of its input, px.
        mean: Of its pixels, 0..1 RGB.
        std: Likewise.
        note: Which weights it starts from.
    """

    name: str
    build: Callable[[int], nn.Module]
    size: int
    mean: Channels
    std: Channels
    note: str


def resnet50(size: int, weights: Path | None) -> Cnn:
    """Return torchvision's ResNet-50.

    Args:
        size: Side of its input, px.
        weights: A file or folder of weights, or None for torchvision's in torch's cache.

    Raises:
        SetupError: There are no weights on this machine; the message says what to do.
    """
    path = resnet50_weights(weights)
    return Cnn(
        name="ResNet-50",
        build=lambda classes: pretrained_resnet50(classes, size, path),
        size=size,
        mean=MEAN,
        std=STD,
        note=f"starts from {path.name}, {size} px",
    )
