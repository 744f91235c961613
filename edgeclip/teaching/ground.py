"""What a class is added to: a pack with all its adapters, or a few classes of words alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgeclip.adapters.stored import Stored
from edgeclip.contract.pack import ROUTER_FILE, PackClass, PackManifest, Thresholds
from edgeclip.contract.routing import RouterRow
from edgeclip.errors import ConfigError, PackError
from edgeclip.pack_making import SYNTHETIC
from edgeclip.pack_parts import read_parts
from edgeclip.packs import Golden, Pack, load_pack
from edgeclip.routed_packs import router_row_of
from edgeclip.teaching.eye import Eye

Floats = NDArray[np.float32]


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
        folder: Of the pack; None of words.
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
    folder: Path | None = None
    manifest: PackManifest | None = None
    golden: Golden | None = None
    router: RouterRow | None = None


def pack_ground(folder: Path, eye: Eye) -> Ground:
    """Return a pack as a ground; that its golden outputs come out again is checked.

    Raises:
        ConfigError: Its adapters look at patches class by class, which a further class changes.
        PackError: It is damaged, of another encoder, or does not say what its adapters or prompts
            are.
        BackendError: A bundle computes something else.
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
    eye.check(pack)
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
        folder=folder,
        manifest=manifest,
        golden=pack.golden,
        router=_router(folder, pack),
    )


def _router(folder: Path, pack: Pack) -> RouterRow | None:
    if ROUTER_FILE not in pack.manifest.files:
        return None
    return router_row_of(pack.manifest.task, folder, pack, {})
