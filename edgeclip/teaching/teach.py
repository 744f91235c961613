"""The whole of `edgeclip teach`: look, predict a column, place its threshold, write the pack."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from edgeclip.adapters.meta import MetaWeights
from edgeclip.adapters.meta_files import meta_sha256
from edgeclip.clip import DEMO, Backbone, load_backbone
from edgeclip.contract.pack import PackManifest, read_pack_manifest
from edgeclip.earlier import taught_by
from edgeclip.kinds import META
from edgeclip.meta_weights import meta_weights_for
from edgeclip.packs import write_pack
from edgeclip.prompts import class_prompts
from edgeclip.regions import Strips
from edgeclip.teaching.account import Account
from edgeclip.teaching.column import ClosedForm, MetaPath, Predictor
from edgeclip.teaching.ground import Ground, pack_ground, words_ground
from edgeclip.teaching.lesson import Lesson, Sight
from edgeclip.teaching.looking import Looking
from edgeclip.teaching.placing import place
from edgeclip.teaching.request import TeachRequest
from edgeclip.teaching.sights import Material, read_material, see
from edgeclip.teaching.widening import widened
from edgeclip.teaching.writing import lesson_files


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
        SetupError: The encoder's weights are not at hand.
    """
    clock = _Clock()
    before = taught_by(request.on)
    material = read_material(request)
    backbone = _encoder(request)
    meta = _meta(request, backbone)
    loading_s = clock.lap()
    ground = _ground(request, backbone)
    sight = _see(request, material, Looking(backbone, ground))
    seeing_s = clock.lap()
    predictor = _predictor(meta, sight)
    placed = place(predictor, sight.taught, sight.others, sight.carried)
    column = sight.looking.column(sight.text, placed.direction, placed.shift)
    wide = widened(ground, column)
    predicting_s = clock.lap()
    lesson = Lesson(
        request, ground, material, sight, wide, placed, before,
        meta_sha256=meta_sha256(meta) if meta else None,
    )  # fmt: skip
    manifest, binaries, report = lesson_files(lesson, backbone, created_at)
    written = write_pack(
        request.out, manifest, binaries, report=report, overwrite=request.overwrite
    )
    notes = (*material.notes, *placed.notes)
    account = lesson.account
    return TeachResult(written, account, notes, loading_s, seeing_s, predicting_s, clock.lap())


def _encoder(request: TeachRequest) -> Backbone:
    """Return the encoder that is named, else that of the pack below."""
    if request.on is None or request.backbone is not None:
        return load_backbone(str(request.backbone), request.pretrained)
    base = read_pack_manifest(request.on, check_hashes=False).base
    named = request.pretrained or (None if base.arch == DEMO else base.pretrained)
    return load_backbone(base.arch, named)


def _ground(request: TeachRequest, backbone: Backbone) -> Ground:
    if request.on is None:
        return words_ground(request.name, backbone)
    return pack_ground(request.on, backbone)


def _meta(request: TeachRequest, backbone: Backbone) -> MetaWeights | None:
    """Return the weights of the method meta, or None for the closed form."""
    if request.method != META:
        return None
    return meta_weights_for(META, request.meta_weights, backbone.base)


def _see(request: TeachRequest, material: Material, looking: Looking) -> Sight:
    """Look at all images, and read the name."""
    backbone, manifest = looking.backbone, looking.ground.manifest
    asked = request.strip_top_px, request.strip_bottom_px
    own = (manifest.strip_top_px, manifest.strip_bottom_px) if manifest else asked
    strips = Strips(own[0] or 0, own[1] or 0)
    lenders = material.taught.images
    sights = [
        see(images, lenders, backbone.preprocess, strips) for images in (lenders, material.others)
    ]
    (taught, base), (others, _) = (looking.at(each) for each in sights)
    prompts = class_prompts([request.name], {})[request.name]
    text = backbone.embed_prompts([list(prompts.columns[0])])[0].numpy()
    return Sight(
        looking, strips, sights[0].pixels, base, taught, others, looking.carried(), prompts, text
    )


def _predictor(meta: MetaWeights | None, sight: Sight) -> Predictor:
    scale = sight.looking.scale
    if meta is not None:
        return MetaPath(scale, sight.text.astype(np.float64), meta)
    unlike = np.concatenate([sight.others.features, sight.carried.features])
    centre = unlike.mean(axis=0) if len(unlike) else np.zeros(len(sight.text))
    return ClosedForm(scale, centre)
