"""The whole of `edgeclip teach`: look, predict a column, place its threshold, write the pack."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgeclip.contract.pack import PackManifest
from edgeclip.kinds import META
from edgeclip.packs import write_pack
from edgeclip.prompts import class_prompts
from edgeclip.regions import Strips
from edgeclip.taught_by import taught_by
from edgeclip.teaching.account import Account
from edgeclip.teaching.column import ClosedForm, Predictor
from edgeclip.teaching.eye import Eye
from edgeclip.teaching.ground import Ground, pack_ground
from edgeclip.teaching.lesson import Lesson, Sight
from edgeclip.teaching.looking import Looking
from edgeclip.teaching.placing import place
from edgeclip.teaching.request import TeachRequest, pack_below
from edgeclip.teaching.sights import Material, read_material, see
from edgeclip.teaching.widening import widened
from edgeclip.teaching.writing import lesson_files

if TYPE_CHECKING:  # torch
    from edgeclip.teaching.meta_path import Meta


@dataclass(frozen=True)
class TeachResult:
    """What a teaching gave.

    Attributes:
        manifest: Of the written pack.
        account: From how little it was taught.
        notes: What must be read first.
        loading_s: Seconds that reading the encoder's weights took.
        seeing_s: Seconds that images took, those of the ground too.
        predicting_s: Seconds from features to column and threshold.
        writing_s: Seconds that golden outputs and the files took.
    """

    manifest: PackManifest
    account: Account
    notes: tuple[str, ...]
    loading_s: float
    seeing_s: float
    predicting_s: float
    writing_s: float

    @property
    def total_s(self) -> float:
        """All of it, without the start of the process."""
        return self.loading_s + self.seeing_s + self.predicting_s + self.writing_s

    def as_json(self, out: Path) -> dict[str, Any]:
        """Return it as JSON values.

        Args:
            out: The pack's folder.
        """
        manifest = self.manifest
        return {
            "pack": str(out),
            "task": manifest.task,
            "version": manifest.version,
            "method": manifest.method,
            "classes": manifest.class_names,
            "thresholds": {k: v.model_dump() for k, v in manifest.thresholds.items()},
            "taught": {**vars(self.account), "said": self.account.said},
            "notes": list(self.notes),
            "seconds": {
                "loading": self.loading_s,
                "seeing": self.seeing_s,
                "predicting": self.predicting_s,
                "writing": self.writing_s,
            },
        }


class _Clock:
    """Seconds since it was last read."""

    def __init__(self) -> None:
        self._at = time.monotonic()

    def lap(self) -> float:
        """Return the seconds since the last lap."""
        before, self._at = self._at, time.monotonic()
        return self._at - before


def teach(request: TeachRequest, *, created_at: datetime) -> TeachResult:
    """Teach a class and write the pack.

    Args:
        request: What is asked for, see `request.check_teaching`.
        created_at: Aware UTC; stands in the pack.

    Raises:
        ConfigError: A backbone or option is wrong, or `out` is not empty.
        DataError: An image cannot be used.
        PackError: The pack below is damaged, or of another encoder.
        SetupError: The encoder's weights, or what runs it, are not at hand.
        BackendError: The bundle cannot be run, or computes something else.
        ArtefactError: The bundle is missing or damaged.
    """
    clock = _Clock()
    before = taught_by(pack_below(request))
    material = read_material(request)
    eye = _eye(request)
    meta = _meta(request, eye)
    loading_s = clock.lap()
    ground = _ground(request, eye)
    sight = _see(request, material, Looking(eye, ground))
    seeing_s = clock.lap()
    predictor = _predictor(meta, sight)
    placed = place(predictor, sight.taught, sight.others, sight.carried)
    column = sight.looking.column(sight.text, placed.direction, placed.shift)
    wide = widened(ground, column)
    predicting_s = clock.lap()
    lesson = Lesson(
        request, ground, material, sight, wide, placed, before,
        meta_sha256=meta.sha256 if meta else None,
    )  # fmt: skip
    manifest, binaries, report = lesson_files(lesson, created_at)
    written = write_pack(
        request.out, manifest, binaries, report=report, overwrite=request.overwrite
    )
    account = lesson.account
    notes = (*material.notes, *placed.notes, *account.notes)
    return TeachResult(written, account, notes, loading_s, seeing_s, predicting_s, clock.lap())


def _eye(request: TeachRequest) -> Eye:
    """Return what looks at images; torch is loaded where no bundle is named."""
    if request.bundle is not None:
        from edgeclip.teaching.bundle_eye import BundleEye

        return BundleEye(request.bundle)
    from edgeclip.teaching.torch_eye import torch_eye

    return torch_eye(request)


def _ground(request: TeachRequest, eye: Eye) -> Ground:
    below = pack_below(request)
    if below is not None:
        return pack_ground(below, eye)
    from edgeclip.teaching.words_ground import words_ground

    return words_ground(request.name, eye)


def _meta(request: TeachRequest, eye: Eye) -> Meta | None:
    """Return the weights of the method meta, or None for the closed form."""
    if request.method != META:
        return None
    from edgeclip.teaching.meta_path import read_meta_weights

    return read_meta_weights(request.meta_weights, eye.base)


def _see(request: TeachRequest, material: Material, looking: Looking) -> Sight:
    """Look at all images, and read the name."""
    eye, manifest = looking.eye, looking.ground.manifest
    asked = request.strip_top_px, request.strip_bottom_px
    own = (manifest.strip_top_px, manifest.strip_bottom_px) if manifest else asked
    strips = Strips(own[0] or 0, own[1] or 0)
    lenders = material.taught.images
    sights = [see(images, lenders, eye.preprocess, strips) for images in (lenders, material.others)]
    (taught, base), (others, _) = (looking.at(each) for each in sights)
    prompts = class_prompts([request.name], {})[request.name]
    text = eye.text(prompts.columns[0])
    return Sight(
        looking, strips, sights[0].pixels, base, taught, others, looking.carried(), prompts, text
    )


def _predictor(meta: Meta | None, sight: Sight) -> Predictor:
    scale = sight.looking.scale
    if meta is not None and sight.text is not None:
        from edgeclip.teaching.meta_path import MetaPath

        return MetaPath(scale, sight.text.astype(np.float64), meta.weights)
    unlike = np.concatenate([sight.others.features, sight.carried.features])
    width = sight.taught.features.shape[1]
    return ClosedForm(scale, unlike.mean(axis=0) if len(unlike) else np.zeros(width))
