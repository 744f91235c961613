"""Jaguars on real images, at a camera that nothing was learned from: a reality check, no proof.

    python -m benchmarks.realcase --images ../shared/data/camera-traps --weights ../shared/weights

It learns from 19 jaguars of three projects and what else camera SDZG198 saw, and is tested on all
that camera SDZG173 saw and a label is sure of: 3 jaguars of one moment among 23 images. Beside it
stands what is called a jaguar among the 33 images of that camera in which nobody saw anything.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.case.contending import CONTENDERS, Machine, cnns_of
from benchmarks.case.study import Draw, Images
from benchmarks.casestudy import default_work
from edgeclip.baselines.finetune import FineTuning
from edgeclip.contenders import Contender
from edgeclip.contract.files import write_text
from edgeclip.contract.postprocess import best_class
from edgeclip.evaluation.metrics import average_precision, plain
from edgeclip.labels.dataset import LabelledImage, load_dataset, read_labels

CLASSES = {
    "jaguar": ("jaguar",),
    "other": ("bird", "deer", "human", "paca", "small_mammal", "tapir"),
    "blank": ("empty",),
}
LEARN_AT, TEST_AT = "Peru-S90-SDZG198", "Peru-S90-SDZG173"
PROJECTS = ("AABP", "AREAS", "RL")
VALIDATION, VALIDATION_EACH = "RL", 4  # project of the jaguars; of the rest, each fourth burst
SURE = ("source", "by-eye-high")
COMMAND = "python -m benchmarks.realcase --out benchmarks/results/realcase.json"
COLUMNS = ("path", "label", "location", "datetime", "seq_id")
SAME_MOMENT_S = 600  # the two cameras face each other
SIZE = 224  # px


def main() -> None:
    """Run all contenders; show and write what they called."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--images", type=Path, default=Path("../shared/data/camera-traps"))
    parser.add_argument("--weights", type=Path, default=Path("../shared/weights"))
    parser.add_argument("--work", type=Path, default=default_work(), help="for features")
    parser.add_argument("--cnn-steps", type=int, default=100)
    parser.add_argument("--cnn-batch", type=int, default=32)
    parser.add_argument("--contenders", nargs="+", choices=CONTENDERS)
    parser.add_argument("--seeds", nargs="+", type=int, default=(0, 1, 2))
    parser.add_argument("--out", type=Path, help="JSON of the figures")
    given = parser.parse_args()
    for folder in (given.images, given.weights):
        if not folder.is_dir():
            sys.exit(f"{folder} is not there: nothing was measured")
    clip = given.weights / "bootstrap-clip"
    cnn = given.weights / "mobilenetv2-imagenet/mobilenetv2_100.safetensors"
    machine = Machine(
        cnns_of(None, cnn, SIZE), given.work / "features",
        FineTuning(given.cnn_steps, given.cnn_batch),
        (str(clip / "bootstrap-clip.json"), str(clip / "bootstrap-clip.safetensors")), CLASSES,
    )  # fmt: skip
    draw, unsure = draw_of(given.images, given.work)
    names = given.contenders or [name for name in CONTENDERS if name != "resnet50"]
    found = {
        name: figures_of(
            [CONTENDERS[name](replace(draw, seed=seed), machine) for seed in given.seeds],
            draw, unsure,
        )
        for name in names
    }  # fmt: skip
    show(found, draw)
    if given.out:
        images = {part: _counts(getattr(draw, part)) for part in ("training", "validation", "test")}
        content = {"command": COMMAND, "images": images, "figures": found}
        write_text(given.out, json.dumps(content, indent=1) + "\n")


def draw_of(folder: Path, work: Path) -> tuple[Draw, frozenset[Path]]:
    """Return the images, and which of the test's are no truth: blank to an eye that was unsure.

    Args:
        folder: Of the images, with `manifest.csv`.
        work: Where the table of the chosen ones is written.
    """
    with (folder / "manifest.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if _chosen(row)]
    table = work / "realcase.csv"
    table.parent.mkdir(parents=True, exist_ok=True)
    with table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows([row[name] for name in COLUMNS] for row in rows)
    images = load_dataset(read_labels(table, data_dir=folder), CLASSES).images
    at = {image: str(image.location) for image in images}
    jaguars = [i for i in images if at[i].startswith(PROJECTS) and i.class_name == "jaguar"]
    test = tuple(image for image in images if at[image] == TEST_AT)
    rest = [i for i in images if at[i] == LEARN_AT and not _seen_by_both(i, test)]
    moments = list(dict.fromkeys(image.sequence for image in rest))
    held = set(moments[VALIDATION_EACH - 1 :: VALIDATION_EACH])
    taught = [image for image in rest if image.sequence not in held]
    apart = [image for image in rest if image.sequence in held]
    draw = Draw(
        seed=0, leopards=len(jaguars),
        training=(*(i for i in jaguars if not at[i].startswith(VALIDATION)), *taught),
        validation=(*(i for i in jaguars if at[i].startswith(VALIDATION)), *apart),
        test=test,
        classes=CLASSES,
    )  # fmt: skip
    unsure = {(folder / row["path"]).resolve() for row in rows if row["label_source"] not in SURE}
    return draw, frozenset(image.path for image in draw.test if image.path.resolve() in unsure)


def figures_of(seeds: list[Contender], draw: Draw, unsure: frozenset[Path]) -> Mapping[str, Any]:
    """Return what was called a jaguar, as means over the seeds."""
    names = tuple(draw.classes)
    sure = np.asarray([image.path not in unsure for image in draw.test])
    truth = np.asarray([image.class_name == names[0] for image in draw.test])
    called = np.asarray(
        [[best_class(row, names, one.thresholds) == names[0] for row in one.probabilities]
         for one in seeds]
    )  # fmt: skip
    ranked = [plain(average_precision, one.probabilities[sure, 0], truth[sure]) for one in seeds]
    return {
        "jaguars_found": round(float(called[:, sure & truth].sum(axis=1).mean()), 2),
        "false_alarms": round(float(called[:, sure & ~truth].sum(axis=1).mean()), 2),
        "called_among_unsure_blanks": round(float(called[:, ~sure].sum(axis=1).mean()), 2),
        "average_precision": round(float(np.mean(ranked)), 4),
        "trainable_params": seeds[0].trainable_params,
        "seconds": [round(one.seconds, 1) for one in seeds],
        "notes": sorted({one.note for one in seeds if one.note}),
    }


def show(found: Mapping[str, Mapping[str, Any]], draw: Draw) -> None:
    """Print a line a contender."""
    counts = _counts(draw.test)
    table = Table(title=f"jaguar at {TEST_AT}: {counts}")
    keys = (
        "jaguars_found", "false_alarms", "called_among_unsure_blanks", "average_precision",
        "trainable_params",
    )  # fmt: skip
    for column in ("contender", *keys):
        table.add_column(column.replace("_", " "))
    for name, row in found.items():
        table.add_row(name, *(str(row[key]) for key in keys))
    Console().print(table)


def _chosen(row: Mapping[str, str]) -> bool:
    """Whether a row of the manifest takes part: nothing that is a guess teaches as an animal."""
    labels = {label for own in CLASSES.values() for label in own}
    if row["label"] not in labels or row["label_source"] == "none":
        return False
    if row["location"].startswith(PROJECTS):
        return row["label"] == "jaguar"
    return row["location"] in (LEARN_AT, TEST_AT) and (
        row["label"] == "empty" or row["label_source"] in SURE
    )


def _seen_by_both(image: LabelledImage, test: Images) -> bool:
    """Whether the test camera, which stands opposite, took a picture within the same minutes."""
    own = image.captured_at
    times = [other.captured_at for other in test]
    return own is not None and any(
        time is not None and abs((own - time).total_seconds()) <= SAME_MOMENT_S for time in times
    )


def _counts(images: Images) -> dict[str, int]:
    return {name: sum(image.class_name == name for image in images) for name in CLASSES}


if __name__ == "__main__":
    main()
