"""What a class is added to: a pack with all its adapters, or a few classes of words alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgeclip.adapters.class_head import ZeroShot
from edgeclip.adapters.composing import Stored
from edgeclip.adapters.model import arrays
from edgeclip.clip import Backbone
from edgeclip.contract.pack import ROUTER_FILE, PackClass, PackManifest, Thresholds
from edgeclip.contract.routing import RouterRow
from edgeclip.errors import ConfigError, PackError
from edgeclip.labels.classes import BLANK, normal, observation_type
from edgeclip.labels.species_names import common_name
from edgeclip.pack_making import SYNTHETIC, pack_class, synthetic_images
from edgeclip.pack_parts import read_parts
from edgeclip.packs import Golden, Pack, check_golden, load_pack
from edgeclip.prompts import ClassPrompts, class_prompts, column_class
from edgeclip.routed_packs import router_row_of

Floats = NDArray[np.float32]

OTHER_ANIMAL = "other animal"
_BESIDE = ("antelope", "bear", "bird", "cat", "cow", "deer", "dog", "elephant", "fox", "hare",
           "monkey", "pig", "rodent", "sheep")  # fmt: skip
"""What else walks past a camera: each is a prototype of `other animal`, a column of its own."""


@dataclass(frozen=True)
class Ground:
    """What a class is added to.

    Attributes:
        classes: As the pack says them, in order.
        column_class: Of its K columns.
        start: class_weights `(E, K)`, class_bias `(K,)` and logit_scale of the prompts.
        parts: Adapters, in their order.
        tensors: All of the pack, by slot.
        temperature: Divides the logits.
        thresholds: Of the classes that it alerts on.
        images: Golden inputs, `(n, S, S, 3)` uint8.
        carried: Those of `images` from the pack's own frames: none of them shows the new class.
        manifest: Of the pack; None of words.
        golden: Of the pack; None of words.
        router: Which images the pack is for; None of words, or of a pack that does not say.
    """

    classes: Sequence[PackClass]
    column_class: Sequence[int]
    start: Mapping[str, Floats]
    parts: Sequence[Stored]
    tensors: Mapping[str, Floats]
    temperature: float
    thresholds: Mapping[str, Thresholds]
    images: NDArray[np.uint8]
    carried: NDArray[np.uint8]
    manifest: PackManifest | None = None
    golden: Golden | None = None
    router: RouterRow | None = None


def pack_ground(folder: Path, backbone: Backbone) -> Ground:
    """Return a pack as a ground; that its golden outputs come out again is checked.

    Raises:
        ConfigError: Its adapters look at patches class by class, which a further class changes.
        PackError: It is damaged, of another encoder, or does not say what its adapters or prompts
            are.
    """
    pack = load_pack(folder)
    manifest = pack.manifest
    if "cp_score" in pack.tensors:
        raise ConfigError(
            f"--on {folder} ({manifest.method}) pools patches class by class, and was trained for"
            " its classes alone: build on a pack of the head, such as visual or blend"
        )
    if manifest.prompt_columns is None:
        raise PackError(f"{folder} does not say which prompts made its columns: train it again")
    check_golden(pack, backbone)
    start, parts = read_parts(folder, manifest, pack.tensors)
    images = pack.golden.images
    return Ground(
        classes=manifest.classes,
        column_class=manifest.column_class,
        start=start,
        parts=parts,
        tensors=pack.tensors,
        temperature=manifest.temperature,
        thresholds=manifest.thresholds,
        images=images,
        carried=images[SYNTHETIC:],
        manifest=manifest,
        golden=pack.golden,
        router=_router(folder, pack),
    )


def _router(folder: Path, pack: Pack) -> RouterRow | None:
    if ROUTER_FILE not in pack.manifest.files:
        return None
    return router_row_of(pack.manifest.task, folder, pack, {})


def words_ground(name: str, backbone: Backbone) -> Ground:
    """Return the classes that a species is told from where there is no pack: words alone.

    Args:
        name: Of the class to be taught; what its own name says is no class beside it.
        backbone: The encoder.
    """
    prompts = _prompts_beside(name)
    columns = [list(column) for item in prompts.values() for column in item.columns]
    places = column_class(prompts)
    zero_shot = ZeroShot.of(backbone.embed_prompts(columns), places, backbone.logit_scale)
    start = arrays(zero_shot.slots())
    images = synthetic_images(backbone.preprocess)
    return Ground(
        classes=[pack_class(own, item) for own, item in prompts.items()],
        column_class=places,
        start=start,
        parts=(),
        tensors={**start, "temperature": np.ones(1, np.float32)},
        temperature=1.0,
        thresholds={},
        images=images,
        carried=images[:0],
    )


def _prompts_beside(name: str) -> dict[str, ClassPrompts]:
    kind = observation_type(name)
    own = set(common_name(normal(name)).split())
    animals = class_prompts([word for word in _BESIDE if word not in own], {})
    beside = class_prompts([OTHER_ANIMAL, "person", "vehicle", BLANK], {})
    first = class_prompts(["animal"], {})["animal"]
    columns = (*first.columns, *(column for item in animals.values() for column in item.columns))
    beside[OTHER_ANIMAL] = ClassPrompts(columns)
    same = {"human": "person", "vehicle": "vehicle"}.get(kind)
    return {own: item for own, item in beside.items() if own != same}
