"""How right the usual attributes are: on rendered scenes, and day or night on real images.

    python -m benchmarks.attributes [--images 600] [--real FOLDER] [--out FILE]

Scenes of animals at twelve places, by the demo backbone; what is true comes from what was
rendered. With `--real`, also the images of that folder's `manifest.csv`, whose column `ir` says
which are night infrared. Figures are of places that their temperature was not fitted to. Last,
what an answer costs beside the pass through the encoder that it is given on.
"""

from __future__ import annotations

import argparse
import csv
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from edgeclip.attributes.asked import read_asked
from edgeclip.attributes.calibrating import truths
from edgeclip.attributes.making import Made, label_columns, make_attributes, see_animals
from edgeclip.calibration import expected_calibration_error
from edgeclip.clip import Backbone, load_backbone
from edgeclip.contract.attribute_answers import AttributeBank
from edgeclip.contract.attributes import AskedGroup
from edgeclip.contract.files import write_text
from edgeclip.contract.postprocess import softmax
from edgeclip.feature_cache import FeatureCache
from edgeclip.labels.reading import ReadingOptions
from edgeclip.opening import open_dataset
from edgeclip.progress import Bars
from edgeclip.regions import Strips
from edgeclip.scenes.image_sets import COLUMNS, Frame, ImageSetPlan, frames

ANIMALS = ("leopard", "zebra", "impala", "warthog")
TRUE = ("behavior", "count", "timeOfDay")
FEEDS_FROM_DEG = 35  # of the head's drop, as the captions of the scenes have it
ROUNDS = 200


def rendered(folder: Path, images: int) -> Path:
    """Write scenes with what is true of each; return the table's path."""
    plan = ImageSetPlan(dict.fromkeys(ANIMALS, images // len(ANIMALS)), locations=12, strip=False)
    rows: list[list[str]] = [[*COLUMNS, *TRUE]]
    for label in plan.counts:
        for frame in frames(plan, label):
            path = folder / frame.path
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), frame.scene.image[..., ::-1])
            rows.append([*frame.row(label), *_true(frame)])
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return folder / "labels.csv"


def _true(frame: Frame) -> list[str]:
    nearest = frame.spec.subjects[-1]
    feeds = nearest.pose.head_drop > FEEDS_FROM_DEG
    return ["feeding" if feeds else "walking", str(len(frame.spec.subjects)), frame.spec.light.kind]


def real_groups() -> list[AskedGroup]:
    """Return the question of the hour, answered by the column `ir`."""
    group = next(group for group in read_asked("usual") if group.name == "time of day")
    labels = {"day": ["0"], "night": ["1"]}
    options = [
        option.model_copy(update={"labels": labels.get(option.name, [])})
        for option in group.options
    ]
    return [group.model_copy(update={"column": "ir", "options": options})]


def measured(
    reading: ReadingOptions, groups: list[AskedGroup], backbone: Backbone
) -> tuple[list[dict[str, Any]], Made]:
    """Return the figures of each group, with the calibration error before the temperature."""
    options = reading.model_copy(update={"columns": label_columns(groups)})
    images = open_dataset(options, Bars(quiet=True)).images
    seen = see_animals(
        images, range(len(images)), backbone,
        cache=FeatureCache(None), strips=Strips(), bars=Bars(quiet=True),
    )  # fmt: skip
    if seen is None:
        raise SystemExit(f"{reading.data}: no animal has a label for any question")
    made = make_attributes(groups, backbone, seen)
    found = []
    for group, asked in zip(made.content.groups, groups, strict=True):
        truth = truths(asked, seen.images)
        known = truth >= 0
        text = backbone.embed_prompts([option.prompts for option in group.options]).numpy().T
        logits = (backbone.logit_scale * (seen.views[group.view] @ text)).astype(np.float32)
        before = softmax(logits[known])
        figures = group.measured.model_dump() if group.measured else {}
        if known.any():
            figures["calibration_error_before"] = expected_calibration_error(before, truth[known])
        found.append({
            "group": group.name, "verified": group.verified, "temperature": group.temperature,
            "threshold": group.threshold, **figures,
        })  # fmt: skip
    return found, made


def costs(made: Made, backbone: Backbone) -> dict[str, float]:
    """Return medians of one frame in ms, interleaved: the encoder's pass, and the answers."""
    groups = made.content.groups
    prompts = [option.prompts for group in groups for option in group.options]
    bank = AttributeBank(made.content, backbone.embed_prompts(prompts).numpy().T.copy())
    size = backbone.base.image_size
    image = np.random.default_rng(0).integers(0, 256, (1, size, size, 3), np.uint8)
    feature = backbone.embed_images(image)[1][0].numpy()
    feature /= np.linalg.norm(feature)
    encoder, answers = [], []
    for _ in range(ROUNDS):
        began = time.thread_time_ns()
        backbone.embed_images(image)
        between = time.thread_time_ns()
        bank.probabilities(feature, feature)
        encoder.append((between - began) / 1e6)
        answers.append((time.thread_time_ns() - between) / 1e6)
    return {"encoder_ms": statistics.median(encoder), "answers_ms": statistics.median(answers)}


def main() -> None:
    """Measure, show and write."""
    parser = argparse.ArgumentParser(description="How right attributes are, and what they cost.")
    parser.add_argument("--images", type=int, default=600, help="rendered ones")
    parser.add_argument("--real", type=Path, help="a folder with manifest.csv")
    parser.add_argument("--out", type=Path, help="JSON to be written")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    backbone = load_backbone("demo")
    with tempfile.TemporaryDirectory() as folder:
        table = rendered(Path(folder), asked.images)
        scenes, made = measured(ReadingOptions(data=table), read_asked("usual"), backbone)
    result: dict[str, Any] = {"rendered": scenes, "costs": costs(made, backbone)}
    if asked.real:
        table = asked.real / "manifest.csv"
        result["real"], _ = measured(ReadingOptions(data=table), real_groups(), backbone)
    print(json.dumps(result, indent=1))
    if asked.out:
        write_text(asked.out, json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
