"""Train the meta-adapter that edgeclip carries for its demo backbone, on rendered scenes.

    nice python scripts/train_demo_meta.py

writes `meta.safetensors` and `meta.facts.json` beside the backbone. The leopard is held out: it is
never rendered and never named. The same seed, scenes and steps give the same weights on the same
machine.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path

import torch

from edgeclip.adapters.meta_files import write_meta
from edgeclip.adapters.meta_training import MetaSettings, train_meta
from edgeclip.clip import DEMO, DEMO_FOLDER, load_backbone
from edgeclip.contract.files import write_text
from edgeclip.prompts import class_prompts

sys.path.insert(0, str(Path(__file__).parents[1]))  # this file is run by its name

from scripts.rendered_views import render_views
from scripts.train_meta import base_support

SCENES = 2400
SEED = 11  # other locations than the backbone's own, which had seed 0
RATE = 1e-2
BATCH = 256
STRANGERS = (
    "aardvark", "badger", "bongo", "caracal", "civet", "genet", "kudu", "lynx", "marten", "okapi",
    "otter", "pangolin", "tapir", "walrus", "wolverine", "wombat",
)  # fmt: skip
"""Names that no caption of the backbone's training holds: what a new species looks like to it."""


def main() -> None:
    """Parse options, render, train, write weights and facts."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=DEMO_FOLDER, help="folder for the two files")
    parser.add_argument("--scenes", type=int, default=SCENES, help="scenes to render")
    parser.add_argument("--steps", type=int, default=MetaSettings().steps, help="episodes")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--processes", type=int, default=2, help="that render")
    given = parser.parse_args()
    torch.set_num_threads(2)
    began = time.monotonic()
    backbone = load_backbone(DEMO, None)
    views = render_views(
        given.scenes, backbone.preprocess.size, seed=given.seed, processes=given.processes
    )
    batches = (views.pixels[k : k + BATCH] for k in range(0, len(views.labels), BATCH))
    features = torch.cat([backbone.embed_images(batch.numpy())[1] for batch in batches])
    base, names = base_support(features, views.labels, [""] * len(views.labels), backbone)
    settings = MetaSettings(steps=given.steps, rate=RATE, seed=given.seed)
    nouns = class_prompts(STRANGERS, {}).values()
    strangers = backbone.embed_prompts([list(column) for item in nouns for column in item.columns])
    losses: list[float] = []
    weights = train_meta(base, settings, strangers=strangers, advance=losses.append)
    encoder = backbone.base.weights_sha256
    write_meta(weights, given.out / "meta.safetensors", encoder_sha256=encoder, classes=names)
    facts = {
        "command": "python scripts/train_demo_meta.py",
        "scenes": given.scenes,
        "views": len(views.labels),
        "classes": names,
        "strangers": STRANGERS,
        "settings": asdict(settings),
        "loss_first": round(sum(losses[:20]) / len(losses[:20]), 4),
        "loss_last": round(sum(losses[-20:]) / len(losses[-20:]), 4),
        "minutes": round((time.monotonic() - began) / 60, 1),
    }
    write_text(given.out / "meta.facts.json", json.dumps(facts, indent=1) + "\n")
    print(json.dumps(facts, indent=1))


if __name__ == "__main__":
    main()
