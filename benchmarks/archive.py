"""An archive's images a second: `python -m benchmarks.archive [--images 96] [--rounds 3]`.

The same 1080p JPEGs and the same ViT-B/32 with random weights, on all cores, in turns:

- ours: `edgeclip predict` with a bundle in ONNX Runtime, with its journal and its table;
- a plain loop: open_clip's own transform and `encode_image`, an image at a time;
- pybioclip's way (Imageomics/pybioclip, `predict.py`): whole frames to float tensors, resized with
  antialiasing, in batches of ten.

What loading the model takes is left out for all: of ours, a run over one image is taken off. The
figure is the ratio of the medians; exit code 3 where one is below the goal.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import cv2
import numpy as np
import torch
from PIL import Image
from rich.console import Console
from rich.table import Table
from torchvision.transforms import (
    CenterCrop,
    Compose,
    InterpolationMode,
    Normalize,
    Resize,
    ToTensor,
)

from benchmarks.gpu_case.packs import untrained_encoder, write_untrained_pack
from edgeclip.archive.answering import Asked
from edgeclip.archive.cluster import Cluster
from edgeclip.archive.predicting import Output, predict_archive
from edgeclip.archive.request import PredictRequest
from edgeclip.clip import Backbone, untrained_model
from edgeclip.contract.files import write_text
from edgeclip.progress import Bars
from edgeclip_export.bundle_writer import write_bundle
from edgeclip_export.config import BundleConfig

RESULTS = Path(__file__).parent / "results/archive.json"
GOAL = 2.5
"""How many times as fast as each of the others."""

_BATCH = 10  # pybioclip's
_MISSED = 3
_FULL_HD = (1080, 1920)

Way = Callable[[Sequence[Path]], object]


def draw_archive(folder: Path, images: int) -> list[Path]:
    """Write JPEGs of 1080p, textured as foliage is; a picture is about 0.6 MB."""
    folder.mkdir()
    draw = np.random.default_rng(0)
    paths = []
    for number in range(images):
        coarse = draw.integers(0, 256, (180, 320, 3), np.uint8)
        frame = cv2.resize(coarse, _FULL_HD[::-1], interpolation=cv2.INTER_CUBIC)
        noise = draw.integers(-6, 7, frame.shape, np.int16)
        path = folder / f"{number:05d}.jpg"
        Image.fromarray(np.clip(frame + noise, 0, 255).astype(np.uint8)).save(path, quality=88)
        paths.append(path)
    return paths


def our_way(pack: Path, folder: Path, out: Path, cluster: Cluster | None = None) -> None:
    """Run `edgeclip predict` over a folder, from the beginning."""
    request = PredictRequest(str(folder), Asked(pack))
    # a part for each core and more, as in an archive that has thousands of parts
    output = Output(out, ["csv"], overwrite=out.exists(), cluster=cluster, part_images=16)
    predict_archive(request, output, Bars(quiet=True))


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


def measure(folder: Path, images: int, rounds: int) -> dict[str, float]:
    """Return median seconds of each way over all images."""
    encoder = untrained_encoder("ViT-B-32", folder)
    write_untrained_pack(folder / "pack", encoder.backbone)
    config = BundleConfig(
        folder / "pack", folder / "bundle", str(encoder.config), str(encoder.weights)
    )
    write_bundle(config, lambda _: None)
    paths = draw_archive(folder / "images", images)
    draw_archive(folder / "one", 1)
    model, _ = untrained_model(encoder.config, seed=0)
    classes = torch.nn.functional.normalize(torch.randn(512, 3), dim=0)
    rivals = {
        "a plain open_clip loop": plain_way(model.eval(), classes, encoder.backbone),
        "pybioclip's way": pybioclip_way(model.eval(), classes, encoder.backbone),
    }
    cores, taken = torch.get_num_threads(), dict[str, list[float]]()
    for _ in range(rounds):
        for name, way in rivals.items():
            torch.set_num_threads(cores)
            taken.setdefault(name, []).append(_seconds(lambda way=way: way(paths)))  # type: ignore[misc]
        whole = _seconds(lambda: our_way(folder / "bundle", folder / "images", folder / "out"))
        start = _seconds(lambda: our_way(folder / "bundle", folder / "one", folder / "out1"))
        taken.setdefault("edgeclip predict", []).append(whole - start)
    return {name: median(seconds) for name, seconds in taken.items()}


def _seconds(call: Callable[[], object]) -> float:
    began = time.monotonic()
    call()
    return time.monotonic() - began


def main() -> None:
    """Measure, print the table, write the JSON.

    Raises:
        SystemExit: A goal is missed.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=96)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        seconds = measure(Path(name), given.images, given.rounds)
    ours = seconds["edgeclip predict"]
    table = Table("way", "images a second", f"ours against it (goal {GOAL})")
    for way, took in seconds.items():
        ratio = "" if took == ours else f"{took / ours:.2f}"
        table.add_row(way, f"{given.images / took:.1f}", ratio)
    Console().print(table)
    ratios = {way: took / ours for way, took in seconds.items() if took != ours}
    content = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "load": os.getloadavg()[0],
        "images": given.images,
        "images_per_s": {way: given.images / took for way, took in seconds.items()},
        "ratios": ratios,
    }
    write_text(RESULTS, json.dumps(content, indent=2) + "\n")
    if min(ratios.values()) < GOAL:
        sys.exit(_MISSED)


if __name__ == "__main__":
    main()
