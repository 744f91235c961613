"""An archive's images a second: `python -m benchmarks.archive [--images 96] [--rounds 3]`.

The same JPEGs (1080p frames, and photographs of 12 megapixels) and the same ViT-B/32 with random
weights, on all cores, in turns:

- ours: `edgeclip predict` with a bundle in ONNX Runtime, with its journal and its table;
- a plain loop: open_clip's own transform and `encode_image`, an image at a time;
- pybioclip's way (Imageomics/pybioclip, `predict.py`): whole frames to float tensors, resized with
  antialiasing, in batches of ten.

What loading the model takes is left out for all: of ours, a run over one image is taken off. The
figure is the ratio of the medians; exit code 3 where one is below the goal. The roof is what the
cores could do if the encoder's multiplications were all there is. `--ray` compares two workers of a
Ray cluster with one instead, on the frames, and their files.
"""

from __future__ import annotations

import argparse
import filecmp
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch
from rich.console import Console
from rich.table import Table

from benchmarks._archive_ways import KINDS, Kind, draw_archive, plain_way, pybioclip_way, roof
from benchmarks.gpu_case.packs import untrained_encoder, write_untrained_pack
from edgeclip.archive.answering import Asked
from edgeclip.archive.cluster import Cluster
from edgeclip.archive.predicting import Output, predict_archive
from edgeclip.archive.request import PredictRequest
from edgeclip.clip import untrained_model
from edgeclip.contract.files import write_text
from edgeclip.progress import Bars
from edgeclip_export.bundle_writer import write_bundle
from edgeclip_export.config import BundleConfig

RESULTS = Path(__file__).parent / "results/archive.json"
GOAL = 2.5
"""How many times as fast as each of the others."""

OURS = "edgeclip predict"
_MISSED = 3


def our_way(pack: Path, folder: Path, out: Path, cluster: Cluster | None = None) -> None:
    """Run `edgeclip predict` over a folder, from the beginning."""
    request = PredictRequest(str(folder), Asked(pack))
    # a part for each core and more, as in an archive that has thousands of parts
    output = Output(out, ["csv"], overwrite=out.exists(), cluster=cluster, part_images=16)
    predict_archive(request, output, Bars(quiet=True))


class Case:
    """Bundle and rivals, and what they take over the images of each kind.

    Args:
        folder: Empty.
        images: Of each kind.
        rounds: Of all ways in turns.
    """

    def __init__(self, folder: Path, images: int, rounds: int) -> None:
        self.folder, self.images, self.rounds = folder, images, rounds
        encoder = untrained_encoder("ViT-B-32", folder)
        write_untrained_pack(folder / "pack", encoder.backbone)
        names = str(encoder.config), str(encoder.weights)
        write_bundle(BundleConfig(folder / "pack", folder / "bundle", *names), lambda _: None)
        model, _ = untrained_model(encoder.config, seed=0)
        classes = torch.nn.functional.normalize(torch.randn(512, 3), dim=0)
        self.rivals = {
            "a plain open_clip loop": plain_way(model.eval(), classes, encoder.backbone),
            "pybioclip's way": pybioclip_way(model.eval(), classes, encoder.backbone),
        }
        self.roof = roof(model, encoder.backbone.preprocess.size)

    def images_per_s(self, kind: Kind) -> dict[str, float]:
        """Return the medians of each way over images of a kind."""
        paths, one = self._drawn(kind, self.images), self._drawn(kind, 1)[0].parent
        cores, taken = torch.get_num_threads(), dict[str, list[float]]()
        for _ in range(self.rounds):
            for name, way in self.rivals.items():
                torch.set_num_threads(cores)
                taken.setdefault(name, []).append(_seconds(lambda way=way: way(paths)))  # type: ignore[misc]
            whole, start = self._ours(paths[0].parent), self._ours(one)
            taken.setdefault(OURS, []).append(whole - start)
        return {name: len(paths) / median(seconds) for name, seconds in taken.items()}

    def workers(self) -> dict[str, float]:
        """Return the seconds of one and of two workers of Ray over the frames.

        Raises:
            SystemExit: They write other files.
        """
        archive, taken = self._drawn(KINDS[0], self.images)[0].parent, dict[str, float]()
        for workers in (1, 2):
            cluster = Cluster("local", workers)
            taken[f"{workers} of Ray"] = self._ours(archive, f"ray-{workers}", cluster)
        taken["threads, no Ray"] = self._ours(archive, "threads")
        tables = [self.folder / name / "predictions.csv" for name in ("ray-1", "ray-2", "threads")]
        if not all(filecmp.cmp(tables[0], other, shallow=False) for other in tables[1:]):
            sys.exit("two workers, one and none of Ray do not write the same table")
        return taken

    def _drawn(self, kind: Kind, images: int) -> list[Path]:
        return draw_archive(self.folder / f"{kind.shape[0]}-{images}", images, kind)

    def _ours(self, archive: Path, out: str = "out", cluster: Cluster | None = None) -> float:
        bundle = self.folder / "bundle"
        return _seconds(lambda: our_way(bundle, archive, self.folder / out, cluster))


def _seconds(call: Callable[[], object]) -> float:
    began = time.monotonic()
    call()
    return time.monotonic() - began


def _compare(case: Case) -> tuple[dict[str, object], float]:
    """Measure all kinds, print the table; return what is kept, and the least ratio."""
    table = Table("images", "way", "images a second", f"ours against it (goal {GOAL})")
    kept, least = dict[str, object](roof_images_per_s=case.roof), float("inf")
    for kind in KINDS:
        rates = case.images_per_s(kind)
        ratios = {name: rates[OURS] / rate for name, rate in rates.items() if name != OURS}
        kept[kind.name] = {"images_per_s": rates, "ratios": ratios}
        least = min(least, *ratios.values())
        for name, rate in rates.items():
            ratio = f"{ratios[name]:.2f}" if name in ratios else ""
            table.add_row(kind.name, name, f"{rate:.1f}", ratio)
    table.add_row("", "multiplications alone", f"{case.roof:.1f}", "")
    Console().print(table)
    return kept, least


def main() -> None:
    """Measure, print the table, write the JSON.

    Raises:
        SystemExit: A goal is missed, or two workers do not write what one does.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=96)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ray", action="store_true", help="compare two workers of Ray with one")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        case = Case(Path(name), given.images, given.rounds)
        content, least = ({"seconds": case.workers()}, GOAL) if given.ray else _compare(case)
    about = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "load": os.getloadavg()[0],
        "images": given.images,
    }
    earlier = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    command = {"command": "python -m benchmarks.archive"}
    kept = command | earlier | {"ray" if given.ray else "ways": about | content}
    write_text(RESULTS, json.dumps(kept, indent=2) + "\n")
    if given.ray:
        Console().print(content)
    if least < GOAL:
        sys.exit(_MISSED)


if __name__ == "__main__":
    main()
