"""Train a meta-adapter for a backbone on labelled images of species other than yours.

    nice python scripts/train_meta.py --data images --backbone NAME --pretrained FILE --out meta

writes weights for `edgeclip train --method meta --meta-weights meta`. The images must be none of
those that a pack is later trained or judged on. The same images and seed give the same weights on
the same machine.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import normalize

from edgeclip.adapters.class_head import ZeroShot
from edgeclip.adapters.meta_files import write_meta
from edgeclip.adapters.meta_training import MetaSettings, train_meta
from edgeclip.adapters.support import Support
from edgeclip.clip import Backbone, load_backbone
from edgeclip.config import default_cache
from edgeclip.feature_cache import FeatureCache
from edgeclip.features import cache_folder, encode_regions
from edgeclip.labels.classes import parse_class_options
from edgeclip.labels.dataset import read_dataset
from edgeclip.labels.reading import ReadingOptions
from edgeclip.parts import UNKNOWN_PLACE
from edgeclip.prompts import class_prompts, column_class
from edgeclip.regions import Strips, regions_of


def base_support(
    features: Tensor, labels: Sequence[str], locations: Sequence[str], backbone: Backbone
) -> tuple[Support, list[str]]:
    """Return labelled features as the base that a meta-adapter is trained on, and its classes.

    Args:
        features: `(n, E)` float32, of any norm.
        labels: Class names, n.
        locations: n names.
        backbone: Which the features come from; it reads the names.
    """
    names = sorted(set(labels))
    prompts = class_prompts(names, {})
    columns = [list(column) for item in prompts.values() for column in item.columns]
    text = backbone.embed_prompts(columns)
    start = ZeroShot.of(text, column_class(prompts), backbone.logit_scale)
    classes = torch.tensor([names.index(label) for label in labels])
    return Support(normalize(features, dim=1), classes, start, locations), names


def images_as_base(
    options: ReadingOptions, backbone: Backbone, strips: Strips
) -> tuple[Support, list[str]]:
    """Return the frames and crops of labelled images as a base, with features from the cache."""
    dataset = read_dataset(options)
    regions = regions_of(dataset.images, range(len(dataset.images)), views=1)
    cache = FeatureCache(cache_folder(default_cache(), backbone.base.weights_sha256))
    found = encode_regions(dataset.images, regions, backbone, cache=cache, strips=strips)
    shown = [dataset.images[region.image] for region in regions]
    return base_support(
        torch.from_numpy(found.f),
        [image.class_name for image in shown],
        [image.location or UNKNOWN_PLACE for image in shown],
        backbone,
    )


def main() -> None:
    """Parse options, train, write the weights."""
    defaults = MetaSettings()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="as of edgeclip train")
    parser.add_argument("--class", dest="classes", action="append", default=[])
    parser.add_argument("--backbone", required=True)
    parser.add_argument("--pretrained")
    parser.add_argument("--strip-top-px", type=int, default=0)
    parser.add_argument("--strip-bottom-px", type=int, default=0)
    parser.add_argument("--steps", type=int, default=defaults.steps, help="episodes")
    parser.add_argument("--seed", type=int, default=defaults.seed)
    parser.add_argument("--out", type=Path, required=True, help="the file to write")
    given = parser.parse_args()
    backbone = load_backbone(given.backbone, given.pretrained)
    options = ReadingOptions(data=given.data, classes=parse_class_options(given.classes))
    strips = Strips(given.strip_top_px, given.strip_bottom_px)
    base, names = images_as_base(options, backbone, strips)
    weights = train_meta(base, MetaSettings(steps=given.steps, seed=given.seed))
    write_meta(weights, given.out, encoder_sha256=backbone.base.weights_sha256, classes=names)
    print(f"{given.out}: from {len(base.classes)} frames and crops of {', '.join(names)}")


if __name__ == "__main__":
    main()
