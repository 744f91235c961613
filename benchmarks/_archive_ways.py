"""The ways of `benchmarks.archive`: images, two rivals' loops, and what cores can multiply."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode
from torchvision.transforms import (
    CenterCrop,
    Compose,
    InterpolationMode,
    Normalize,
    Resize,
    ToTensor,
)

from edgeclip.clip import Backbone

_BATCH = 10  # pybioclip's
_ROOF_S = 2.0

Way = Callable[[Sequence[Path]], object]


@dataclass(frozen=True)
class Kind:
    """What a camera stores.

    Attributes:
        name: For the table.
        shape: Height and width, px.
        noise: Grey levels, at most, of a pixel's noise.
    """

    name: str
    shape: tuple[int, int]
    noise: int


KINDS = (Kind("1080p frame", (1080, 1920), 6), Kind("12 MP photograph", (3024, 4032), 3))


def draw_archive(folder: Path, images: int, kind: Kind) -> list[Path]:
    """Write JPEGs textured as foliage is: a frame of 0.7 MB, a photograph of 2."""
    folder.mkdir()
    draw = np.random.default_rng(0)
    paths = []
    for number in range(images):
        coarse = draw.integers(0, 256, (180, 320, 3), np.uint8)
        frame = cv2.resize(coarse, kind.shape[::-1], interpolation=cv2.INTER_CUBIC)
        noise = draw.integers(-kind.noise, kind.noise + 1, frame.shape, np.int16)
        path = folder / f"{number:05d}.jpg"
        Image.fromarray(np.clip(frame + noise, 0, 255).astype(np.uint8)).save(path, quality=88)
        paths.append(path)
    return paths


def plain_way(model: torch.nn.Module, classes: torch.Tensor, backbone: Backbone) -> Way:
    """Return a loop with open_clip's transform, an image at a time."""
    spec = backbone.preprocess
    resized = Resize(224, interpolation=InterpolationMode.BICUBIC)
    transform = Compose([resized, CenterCrop(224), ToTensor(), Normalize(spec.mean, spec.std)])

    def run(paths: Sequence[Path]) -> object:
        frames = (Image.open(path).convert("RGB") for path in paths)
        return [_said(model, transform(frame).unsqueeze(0), classes) for frame in frames]

    return run


def pybioclip_way(model: torch.nn.Module, classes: torch.Tensor, backbone: Backbone) -> Way:
    """Return the way of pybioclip's `create_probabilities_for_image_paths`, in batches."""
    spec = backbone.preprocess
    transform = Compose(
        [ToTensor(), Resize((224, 224), antialias=True), Normalize(spec.mean, spec.std)]
    )

    def run(paths: Sequence[Path]) -> object:
        found = []
        for first in range(0, len(paths), _BATCH):
            frames = [Image.open(path).convert("RGB") for path in paths[first : first + _BATCH]]
            found.append(_said(model, torch.stack([transform(f) for f in frames]), classes))
        return found

    return run


def _said(model: torch.nn.Module, pixels: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        features = model.encode_image(pixels)  # type: ignore[operator]  # open_clip is untyped
        features = features / features.norm(dim=-1, keepdim=True)
        said: torch.Tensor = (100 * features @ classes).softmax(dim=-1)
        return said


def roof(model: torch.nn.Module, size: int) -> float:
    """Return how many images a second the cores can multiply for, if they did nothing else.

    The multiplications of the encoder, by the rate of a large matrix product in single precision.
    """
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.encode_image(torch.zeros(1, 3, size, size))  # type: ignore[operator]  # untyped
    side, done, began = 2048, 0, time.monotonic()
    matrix = torch.rand(side, side)
    while time.monotonic() - began < _ROOF_S:
        torch.mm(matrix, matrix)
        done += 1
    rate = done * 2 * side**3 / (time.monotonic() - began)
    return rate / float(counter.get_total_flops())
