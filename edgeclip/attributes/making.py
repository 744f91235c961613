"""Groups -> the two files of a pack: text features, and what labelled images say of the answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from edgeclip.attributes.calibrating import calibrated, truths
from edgeclip.clip import Backbone
from edgeclip.contract.attributes import (
    ATTRIBUTE_TENSORS_FILE,
    ATTRIBUTES_FILE,
    TEXT_FEATURES,
    AskedGroup,
    PackAttributes,
)
from edgeclip.feature_cache import FeatureCache
from edgeclip.features import encode_regions
from edgeclip.labels.classes import observation_type
from edgeclip.labels.dataset import LabelledImage
from edgeclip.progress import Bars
from edgeclip.regions import Strips, regions_of

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Seen:
    """Labelled animals as the frozen encoder sees them.

    Attributes:
        images: n.
        views: By what a group looks at, `(n, E)` float32, unit rows.
    """

    images: Sequence[LabelledImage]
    views: dict[str, Array]


@dataclass(frozen=True)
class Made:
    """What a pack gets.

    Attributes:
        content: Of `attributes.json`.
        files: Content by name.
        notes: A line a group that is not verified, and why.
    """

    content: PackAttributes
    files: dict[str, bytes]
    notes: tuple[str, ...]


def label_columns(groups: Sequence[AskedGroup]) -> tuple[str, ...]:
    """Return the columns of a table that say what is true."""
    return tuple(dict.fromkeys(group.label_column for group in groups))


def make_attributes(groups: Sequence[AskedGroup], backbone: Backbone, seen: Seen | None) -> Made:
    """Return the files that let a pack answer groups.

    Args:
        groups: As asked.
        backbone: The pack's encoder; its text tower reads the sentences.
        seen: Labelled animals to calibrate on, or None.
    """
    prompts = [option.prompts for group in groups for option in group.options]
    text = np.ascontiguousarray(backbone.embed_prompts(prompts).numpy().T, np.float32)
    done, at, notes = [], 0, []
    for group in groups:
        own = text[:, at : at + len(group.options)]
        at += len(group.options)
        images = seen.images if seen else ()
        looked_at = seen.views[group.view] if seen else np.zeros((0, len(text)), np.float32)
        logits = np.asarray(backbone.logit_scale * (looked_at @ own), np.float32)
        found = calibrated(group, logits, truths(group, images), images)
        done.append(found.group)
        if found.why_not:
            notes.append(f"{group.name} is unverified: {found.why_not}")
    content = PackAttributes(
        weights_sha256=backbone.base.weights_sha256,
        logit_scale=backbone.logit_scale,
        groups=done,
    )
    files = {
        ATTRIBUTES_FILE: content.to_json().encode(),
        ATTRIBUTE_TENSORS_FILE: save({TEXT_FEATURES: text}),
    }
    return Made(content, files, tuple(notes))


def see_animals(
    images: Sequence[LabelledImage],
    chosen: Sequence[int],
    backbone: Backbone,
    *,
    cache: FeatureCache,
    strips: Strips,
    bars: Bars,
) -> Seen | None:
    """Return those of the chosen images that show an animal and say something in a column.

    Args:
        images: All images.
        chosen: Indices of those that may be looked at.
        backbone: The frozen encoder.
        cache: Where features are looked up and stored: a training has them already.
        strips: Rows to cut from each frame.
        bars: Progress.
    """
    shown = [
        index
        for index in chosen
        if images[index].said
        and not images[index].crop_only
        and observation_type(images[index].class_name) == "animal"
    ]
    if not shown:
        return None
    regions = regions_of(images, shown, views=1)
    advance = bars.add("attributes", len(regions))
    features = encode_regions(
        images, regions, backbone, cache=cache, strips=strips, advance=advance
    ).f
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    frames = {
        region.image: row for region, row in zip(regions, unit, strict=True) if not region.box
    }
    crops = {region.image: row for region, row in zip(regions, unit, strict=True) if region.box}
    return Seen(
        images=[images[index] for index in shown],
        views={
            "frame": np.stack([frames[index] for index in shown]),
            "animal": np.stack([crops.get(index, frames[index]) for index in shown]),
        },
    )
