"""How well boxes by heat lie: on rendered scenes with known boxes, against plain CLIP.

    python -m benchmarks.where [--images 60] [--real FOLDER --weights FOLDER] [--out FILE]

A head is trained on the demo backbone, on scenes of four species and blanks at twelve places; boxes
are judged on others, of places that neither it nor the backbone has seen. The leopard is held out
of the backbone's training, name and pixels. Each method gives a map of the class that is there,
whose hottest cell points, and whose box is made by the same `heat_box`:

    heat            what detections and `predict` tell: the pack's columns against the empty scene
    prompts         the same with the prompts' columns, as if nothing had been trained
    value cells     the prompts' cosine alone, no empty scene: MaskCLIP (arXiv 2112.01071)
    last tokens     the prompts' cosine with the last block's patch tokens, as CLIP projects them
    centre, frame   half of the frame's sides around its middle; all of it

With `--real`, also the images of animl-py whose boxes MegaDetector is sure of, by the prompts of an
encoder that knows photographs; there is no pack, and the truth is a detector's.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console

from benchmarks._where_data import SURE, Boxed, real, rendered
from benchmarks._where_figures import Map, Rows, judged, of_map, shown_table, summary
from edgeclip.adapters.head_graph import patch_scores
from edgeclip.adapters.pack_cells import CellReader, PackCells
from edgeclip.clip import Backbone, load_backbone
from edgeclip.config import Recipe, TrainConfig
from edgeclip.contract.files import write_text
from edgeclip.contract.likeness import likeness_map
from edgeclip.contract.pack import PackClass, PackManifest
from edgeclip.contract.postprocess import class_probabilities
from edgeclip.labels.classes import observation_type
from edgeclip.pack_parts import read_parts
from edgeclip.packs import load_pack
from edgeclip.progress import Bars
from edgeclip.prompts import class_prompts, column_class
from edgeclip.scenes.image_sets import ImageSetPlan, write_image_set
from edgeclip.text_side import TextSide
from edgeclip.tower_kinds import block_count
from edgeclip.trainer import train

RESULTS = Path(__file__).parent / "results/where.json"
SPECIES = ("leopard", "zebra", "impala", "warthog")
SIZES = {"below 5 %": (0.0, 0.05), "5 to 15 %": (0.05, 0.15), "15 % and more": (0.15, 1.01)}
"""Of the frame, that the largest animal's box takes."""
TAUGHT, JUDGED = 410_000, 420_000  # first locations, none of the backbone's
PLACES = 12
CENTRE, FRAME = (0.25, 0.25, 0.5, 0.5), (0.0, 0.0, 1.0, 1.0)
_AT_ONCE = 64


def trained(folder: Path, images: int) -> Path:
    """Train a head on scenes of all species and blanks; return the pack."""
    counts = dict.fromkeys((*SPECIES, "blank"), images)
    plan = ImageSetPlan(counts, PLACES, first_location=TAUGHT, strip=False)
    table = write_image_set(folder / "images", plan)
    config = TrainConfig(
        data=table, out=folder / "pack", targets=SPECIES, backbone="demo", method="head", folds=3,
        recipe=Recipe(views=4),
    )  # fmt: skip
    train(config, created_at=datetime.now(timezone.utc), bars=Bars(quiet=True))
    return folder / "pack"


def last_tokens(backbone: Backbone, images: NDArray[np.uint8]) -> torch.Tensor:
    """Return `(B, N - 1, E)`: the patch tokens after the last block, projected as CLIP's own."""
    lower, upper = backbone.split(block_count(backbone.tower.visual))
    with torch.inference_mode():
        patches: torch.Tensor = upper(backbone.embed_tokens(images, lower)).patches
    return patches


def own_map(scores: Map, label: str, manifest: PackManifest) -> Map:
    """Return `(side, side)`: the mean of a class's columns, nothing set against it."""
    own = np.asarray(manifest.column_class) == manifest.class_names.index(label)
    side = round(len(scores) ** 0.5)
    return np.asarray(scores[:, own].mean(axis=1).reshape(side, side), np.float32)


def against_empty(scores: Map, label: str, manifest: PackManifest) -> Map:
    """Return what the product makes of scores; see `likeness_map`."""
    found = likeness_map(scores, label, manifest)
    if found is None:
        raise SystemExit("the tower has no cells")
    return found


def by_prompts(
    images: Sequence[Boxed],
    backbone: Backbone,
    weights: NDArray[np.float32],
    manifest: PackManifest,
) -> dict[str, Rows]:
    """Return each method's rows that need no training."""
    read, columns = CellReader(backbone), torch.from_numpy(np.array(weights))
    found: dict[str, Rows] = {"prompts": [], "value cells": []}
    if block_count(backbone.tower.visual):
        found["last tokens"] = []
    for first in range(0, len(images), _AT_ONCE):
        few = images[first : first + _AT_ONCE]
        pixels = np.stack([image.pixels for image in few])
        cells = patch_scores(read(pixels).cells, columns).numpy()
        for image, scores in zip(few, cells, strict=True):
            found["prompts"].append(of_map(image, against_empty(scores, image.label, manifest)))
            found["value cells"].append(of_map(image, own_map(scores, image.label, manifest)))
        if "last tokens" in found:
            tokens = patch_scores(last_tokens(backbone, pixels), columns).numpy()
            for image, scores in zip(few, tokens, strict=True):
                found["last tokens"].append(of_map(image, own_map(scores, image.label, manifest)))
    for name, box in (("centre", CENTRE), ("frame", FRAME)):
        found[name] = [judged(image, box, (0.5, 0.5)) for image in images]
    return found


def by_pack(images: Sequence[Boxed], backbone: Backbone, pack: Path) -> tuple[Rows, list[bool]]:
    """Return the rows of the product's boxes, and on which images the pack decides the class."""
    loaded = load_pack(pack)
    run, manifest = PackCells(backbone, loaded.tensors), loaded.manifest
    rows: Rows = []
    decided: list[bool] = []
    for first in range(0, len(images), _AT_ONCE):
        few = images[first : first + _AT_ONCE]
        outputs, cells = run(np.stack([image.pixels for image in few]))
        classes = class_probabilities(
            outputs.probabilities.numpy(), manifest.column_class, len(manifest.class_names)
        )
        for image, scores, sure in zip(few, cells.numpy(), classes, strict=True):
            rows.append(of_map(image, against_empty(scores, image.label, manifest)))
            threshold = manifest.thresholds[image.label].on
            decided.append(bool(sure[manifest.class_names.index(image.label)] >= threshold))
    return rows, decided


def scenes(pack: Path, images: int) -> dict[str, Any]:
    """Return the figures of rendered scenes, `images` of each species."""
    backbone = load_backbone("demo")
    plan = ImageSetPlan(
        dict.fromkeys(SPECIES, images), PLACES, seed=1, first_location=JUDGED, strip=False
    )
    shown = rendered(plan, backbone.preprocess)
    loaded = load_pack(pack)
    start, _ = read_parts(pack, loaded.manifest, loaded.tensors)
    heat, decided = by_pack(shown, backbone, pack)
    found = {"heat": heat, **by_prompts(shown, backbone, start["class_weights"], loaded.manifest)}
    areas, labels = np.array([i.area for i in shown]), np.array([i.label for i in shown])
    groups = {name: (low <= areas) & (areas < high) for name, (low, high) in SIZES.items()}
    groups |= {name: labels == name for name in SPECIES} | {"decided": np.array(decided)}
    return summary(shown, found, groups)


def photographs(folder: Path, weights: Path, like_this: PackManifest) -> dict[str, Any]:
    """Return the figures of real images, by an encoder's prompts alone.

    Args:
        folder: Of the images.
        weights: With `bootstrap-clip/`.
        like_this: Any manifest; classes and columns are put into a copy.
    """
    clip = weights / "bootstrap-clip"
    backbone = load_backbone(f"{clip / clip.name}.json", f"{clip / clip.name}.safetensors")
    shown = real(folder, backbone.preprocess)
    names = [*sorted({image.label for image in shown}), "blank"]
    prompts = class_prompts(names, {})
    classes = [
        PackClass(name=name, observation_type=observation_type(name), prompts=item.sentences)
        for name, item in prompts.items()
    ]
    like = {"classes": classes, "column_class": column_class(prompts)}
    manifest = like_this.model_copy(update=like)
    columns = backbone.embed_prompts(TextSide(backbone, prompts).columns)
    found = by_prompts(shown, backbone, columns.numpy().T, manifest)
    areas = np.array([image.area for image in shown])
    groups = {name: (low <= areas) & (areas < high) for name, (low, high) in SIZES.items()}
    groups["jaguar"] = np.array([image.label == "jaguar" for image in shown])
    return {"truth": f"boxes of MegaDetector from {SURE} on", **summary(shown, found, groups)}


def main() -> None:
    """Measure, show and write."""
    parser = argparse.ArgumentParser(description="How well boxes by heat lie.")
    parser.add_argument("--images", type=int, default=60, help="of each species, taught and judged")
    parser.add_argument("--real", type=Path, help="the folder of real images")
    parser.add_argument("--weights", type=Path, help="with bootstrap-clip/, for the real images")
    parser.add_argument("--out", type=Path, default=RESULTS, help="JSON to be written")
    asked = parser.parse_args()
    if (asked.real is None) != (asked.weights is None):
        parser.error("--real and --weights belong together")
    for folder, file in ((asked.real, "manifest.csv"), (asked.weights, "bootstrap-clip")):
        if folder and not (folder / file).exists():
            parser.error(f"{folder} has no {file}: check --real and --weights")
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        pack = trained(Path(folder), asked.images)
        result: dict[str, Any] = {"rendered": scenes(pack, asked.images)}
        if asked.real:
            like_this = load_pack(pack).manifest
            result["real"] = photographs(asked.real, asked.weights, like_this)
    for name, found in result.items():
        Console().print(name, shown_table(found))
    content = {"command": "python -m benchmarks.where", **result}
    write_text(asked.out, json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
