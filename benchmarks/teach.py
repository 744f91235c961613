"""How well one to five images teach a class, beside words alone and 50 labelled images.

    python -m benchmarks.teach [--folder FOLDER] [--out FILE] [--seconds-alone]

Rendered scenes, the demo backbone. Taught at six places, judged at twelve others: 36 images of the
species, four of each of fourteen others, 60 blanks. The leopard is in no training of the backbone;
the other three it knows, and they go by a name that says nothing to it. Each figure is a mean over
species and draws at the pack's own threshold; `best_f1` is what the best threshold would give.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks.teach_case.images import (
    KNOWN,
    LABELLED,
    TAUGHT,
    Draw,
    draw,
    judged,
    name_of,
    render,
    write_boxes,
    write_labels,
)
from benchmarks.teach_case.judging import Bench, Judged, mean_of
from edgeclip.clip import DEMO, load_backbone
from edgeclip.config import TrainConfig
from edgeclip.contract.files import write_text
from edgeclip.labels.dataset import Dataset
from edgeclip.progress import Bars
from edgeclip.teaching.request import TeachRequest
from edgeclip.teaching.teach import teach
from edgeclip.trainer import train
from edgeclip_export.bundle_writer import write_bundle
from edgeclip_export.config import BundleConfig

RESULTS = Path(__file__).parent / "results/teach.json"
AT = datetime(2026, 1, 1, tzinfo=timezone.utc)
SHOTS, DRAWS = (1, 2, 3, 5), (1, 2, 3)
REPEATS = 3


class Study:
    """What all runs share.

    Args:
        folder: Of images and packs.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sets = render(folder)
        self.boxes = write_boxes(self.sets["site"], folder / "boxes.json")
        backbone = load_backbone(DEMO)
        self.benches = {
            species: Bench.of(judged(self.sets["elsewhere"], species), backbone)
            for species in TAUGHT
        }
        self.ground = folder / "ground"
        if not self.ground.is_dir():
            self._train("ground", {name: name for name in KNOWN}, "blend", 0)

    def taught(self, species: str, given: Draw, **fields: Any) -> Judged:
        """Return how a species is found that was taught from a draw."""
        name, out = name_of(species), Path(tempfile.mkdtemp(dir=self.folder)) / "pack"
        usual: dict[str, Any] = {
            "images": tuple(image.path for image in given.taught), "name": name,
            "boxes": self.boxes, "backbone": DEMO, "out": out,
        }  # fmt: skip
        teach(TeachRequest.model_validate(usual | fields), created_at=AT)
        judged_pack = self.benches[species].judge(out, name, species)
        shutil.rmtree(out.parent)
        return judged_pack

    def labelled(self, species: str, method: str) -> Judged:
        """Return how a species is found after a training, or by words alone."""
        name = name_of(species)
        shutil.rmtree(self.folder / f"{species}-{method}", ignore_errors=True)
        folder = self._train(f"{species}-{method}", {species: name}, method, LABELLED)
        return self.benches[species].judge(folder, name, species)

    def _train(self, out: str, names: dict[str, str], method: str, others: int) -> Path:
        """Train on images of the site; the first of the names is the target."""
        table = write_labels(self.sets["site"], self.folder / f"{out}.csv", names, others=others)
        config = TrainConfig(
            data=table, data_dir=Path("/"), out=self.folder / out, backbone=DEMO, method=method,
            targets=(next(iter(names.values())),), cache=self.folder / "cache",
        )  # fmt: skip
        train(config, created_at=AT, bars=Bars(quiet=True))
        return self.folder / out


def cells(study: Study) -> dict[str, dict[str, Any]]:
    """Return the figures of every way to teach, by its name; those in the folder are taken over."""
    kept = study.folder / "cells.json"
    found: dict[str, dict[str, Any]] = json.loads(kept.read_text()) if kept.is_file() else {}
    for name, measured in _ways(study).items():
        if name not in found:
            found[name] = measured()
            write_text(kept, json.dumps(found))
        print(name, found[name]["all"], flush=True)
    return found


def _ways(study: Study) -> dict[str, Callable[[], dict[str, Any]]]:
    """Return by name what measures each way."""
    site = study.sets["site"]
    ways: dict[str, Callable[[], dict[str, Any]]] = {
        "words alone": partial(_labelled, study, "zero-shot"),
        f"{LABELLED} labelled, blend": partial(_labelled, study, "blend"),
    }
    for where, on in (("pack", study.ground), ("words", None)):
        for beside in ("others", "alone"):
            for shots in SHOTS:
                way = partial(_cell, study, site, shots, {"on": on}, with_others=beside == "others")
                ways[f"{shots}, {where}, {beside}"] = way
    more: dict[str, dict[str, Any]] = {
        "3, pack, others, no boxes": {"on": study.ground, "boxes": None},
        "3, pack, others, meta": {"on": study.ground, "method": "meta"},
        "3, words, others, meta": {"on": None, "method": "meta"},
    }
    for name, fields in more.items():
        ways[name] = partial(_cell, study, site, 3, fields, with_others=True)
    return ways


def _labelled(study: Study, method: str) -> dict[str, Any]:
    return _summary({species: [study.labelled(species, method)] for species in TAUGHT})


def _cell(
    study: Study, site: Dataset, shots: int, fields: dict[str, Any], *, with_others: bool
) -> dict[str, Any]:
    by: dict[str, list[Judged]] = {}
    for species in TAUGHT:
        for seed in DRAWS:
            given = draw(site, species, shots, seed)
            others = tuple(image.path for image in given.others) if with_others else ()
            by.setdefault(species, []).append(study.taught(species, given, others=others, **fields))
    return _summary(by)


def _summary(by: dict[str, list[Judged]]) -> dict[str, Any]:
    every = [one for own in by.values() for one in own]
    return {"all": mean_of(every), "leopard": mean_of(by["leopard"])}


def seconds(study: Study) -> dict[str, dict[str, float]]:
    """Return medians over runs of the command in processes of their own, in s, in turn.

    By torch with the encoder's weights, and by ONNX Runtime with an exported bundle.
    """
    bundle = study.folder / "bundle"
    if not bundle.is_dir():
        write_bundle(BundleConfig(study.ground, bundle), lambda _: None)
    given = draw(study.sets["site"], "leopard", 3, 1)
    command = [sys.executable, "-m", "edgeclip.cli", "teach", "--name", "leopard", "--json"]
    command += ["--images", *(str(image.path) for image in given.taught)]
    command += ["--on", str(study.ground), "--boxes", str(study.boxes)]
    ways = {"torch": command, "bundle": [*command, "--bundle", str(bundle)]}
    rows: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
    for number in range(REPEATS):
        for way, words in ways.items():
            rows[way].append(_timed(words, study.folder / f"timed-{way}{number}"))
    return {
        way: {key: round(statistics.median(row[key] for row in own), 4) for key in own[0]}
        for way, own in rows.items()
    }


def _timed(command: list[str], out: Path) -> dict[str, float]:
    """Return the seconds of one run, those of the CPU, and those that it says itself.

    Other work on the machine stretches the clock, and the CPU's seconds hardly.
    """
    shutil.rmtree(out, ignore_errors=True)
    began, before = time.monotonic(), os.times()
    done = subprocess.run([*command, "--out", str(out)], capture_output=True, text=True, check=True)
    whole, after = time.monotonic() - began, os.times()
    cpu = after.children_user + after.children_system
    cpu -= before.children_user + before.children_system
    return {"command": whole, "cpu": cpu, **json.loads(done.stdout)["seconds"]}


def _kept(results: Path) -> dict[str, dict[str, Any]]:
    """Return the figures of an earlier run."""
    found: dict[str, dict[str, Any]] = json.loads(results.read_text())["cells"]
    return found


def main() -> None:
    """Measure, show and write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--folder", type=Path, help="keeps images and packs; else a temporary one")
    parser.add_argument("--out", type=Path, default=RESULTS, help="JSON to be written")
    parser.add_argument(
        "--seconds-alone", action="store_true", help="keep all other figures of --out"
    )
    asked = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        folder = asked.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        study = Study(folder.resolve())
        result = {
            "command": "python -m benchmarks.teach",
            "taught": TAUGHT,
            "draws": len(DRAWS),
            "cells": _kept(asked.out) if asked.seconds_alone else cells(study),
            "seconds": seconds(study),
        }
    write_text(asked.out, json.dumps(result, indent=1) + "\n")
    print(json.dumps(result["seconds"], indent=1))


if __name__ == "__main__":
    main()
