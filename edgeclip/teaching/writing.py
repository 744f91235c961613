"""What a teaching leaves behind: a pack like any other, that says from how little it was taught."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version

import numpy as np
from numpy.typing import NDArray

from edgeclip.adapters.router_rows import router_row
from edgeclip.adapters.stored import pack_fusion
from edgeclip.contract.attributes import ATTRIBUTE_TENSORS_FILE, ATTRIBUTES_FILE
from edgeclip.contract.hashing import sha256_bytes
from edgeclip.contract.pack import (
    PARTS_FILE,
    ROUTER_FILE,
    TENSORS_FILE,
    PackManifest,
    Training,
)
from edgeclip.contract.prompt_columns import columns_sha256
from edgeclip.contract.routing import RouterRow
from edgeclip.contract.slots import graph_of
from edgeclip.evaluated_parts import SPLIT_FILE
from edgeclip.kinds import ZERO_SHOT
from edgeclip.labels.dataset import Dataset
from edgeclip.openings import OPENINGS_FILE, REPORT_FOLDER
from edgeclip.pack_making import GOLDEN_FRAMES, SYNTHETIC, pack_class, version_after
from edgeclip.pack_parts import adapter_records, parts_bytes
from edgeclip.packs import Golden, pack_files
from edgeclip.routed_packs import router_bytes
from edgeclip.split_rows import Part
from edgeclip.splits import Split
from edgeclip.teaching.account import PREFIX
from edgeclip.teaching.eye import Eye
from edgeclip.teaching.ground import Ground
from edgeclip.teaching.lesson import Lesson
from edgeclip.teaching.request import taught_task
from edgeclip.teaching.wide_golden import wide_golden

TAUGHT_FILE = "taught.json"


def lesson_files(
    lesson: Lesson, at: datetime
) -> tuple[PackManifest, dict[str, bytes], dict[str, str]]:
    """Return the manifest without hashes, the binary files, and the report of the pack.

    Args:
        lesson: What was taught.
        at: Aware UTC.
    """
    tensors = lesson.widened.tensors
    binaries = {
        **pack_files(tensors, _golden(lesson)),
        PARTS_FILE: parts_bytes(lesson.widened.start, lesson.widened.parts),
        ROUTER_FILE: router_bytes(_router(lesson)),
        **_attributes(lesson),
    }
    dataset = _dataset(lesson)
    split = _split(lesson)
    report = {SPLIT_FILE: split.to_csv(dataset.images), **_earlier_report(lesson)}
    report[TAUGHT_FILE] = json.dumps(_accounts(lesson), indent=1, ensure_ascii=False) + "\n"
    return _manifest(lesson, at, dataset), binaries, report


def _manifest(lesson: Lesson, at: datetime, dataset: Dataset) -> PackManifest:
    eye = lesson.sight.looking.eye
    ground, request, earlier = lesson.ground, lesson.request, lesson.ground.manifest
    parts, tensors = lesson.widened.parts, lesson.widened.tensors
    own = pack_class(request.name, lesson.sight.prompts)
    classes = [*ground.classes, own]
    task = request.task or (earlier.task if earlier else taught_task(request.name))
    split = _split(lesson)
    fields = {
        "schema": "edgeclip.pack/1",
        "task": task,
        "version": request.version or version_after(earlier, task),
        "created_at": at,
        "tool": _versions(eye),
        "method": "+".join(part.kind for part in parts) or ZERO_SHOT,
        "recipe_sha256": sha256_bytes(f"taught 1 {lesson.account.how}".encode()),
        "fusion_class": pack_fusion(tensors, (part.fusion for part in parts)),
        "graph": earlier.graph if earlier else graph_of(tensors),
        "slots": {name: list(tensors[name].shape) for name in sorted(tensors)},
        "adapters": adapter_records(parts),
        "share": earlier.share if earlier else 1.0,
        "base": eye.base,
        "preprocess": eye.preprocess,
        "strip_top_px": lesson.sight.strips.top_px,
        "strip_bottom_px": lesson.sight.strips.bottom_px,
        "classes": classes,
        "column_class": [*ground.column_class, len(ground.classes)],
        "prompts_sha256": columns_sha256(
            {**_columns(ground), request.name: list(map(list, lesson.sight.prompts.columns))}
        ),
        "thresholds": {**ground.thresholds, request.name: lesson.placed.thresholds},
        "temperature": ground.temperature,
        "training": Training(
            images=len(dataset.images),
            labels_used=len(dataset.images),
            steps=0,
            seed=0,
            trainable_params=0,
            data_sha256=dataset.sha256,
            split_sha256=split.sha256(dataset.images),
            meta_sha256=lesson.meta_sha256,
            earlier_sha256=earlier.files[TENSORS_FILE] if earlier else None,
            earlier_known=lesson.before.is_known,
        ),
        "metrics": {**_earlier_figures(earlier), **lesson.account.figures()},
        "files": {},
    }
    return PackManifest.model_validate(fields)


def _columns(ground: Ground) -> dict[str, list[list[str]]]:
    """Return the sentences of each column of a ground, by class."""
    if ground.manifest is not None:
        return ground.manifest.prompt_columns or {}
    found: dict[str, list[list[str]]] = {}
    for item in ground.classes:
        rest = list(item.prompts)
        found[item.name] = [[rest.pop(0) for _ in range(size)] for size in item.columns]
    return found


def _dataset(lesson: Lesson) -> Dataset:
    """Return all that taught as one: others are of no class of the pack, so they say `others`."""
    taught = lesson.material.taught
    return replace(taught, images=(*taught.images, *lesson.material.others))


def _split(lesson: Lesson) -> Split:
    """Return what each image did: of both kinds none may judge the pack later."""
    material = lesson.material
    parts: list[Part] = ["train" for _ in material.taught.images]
    parts += ["validation" for _ in material.others]
    return Split(tuple(parts), "as given", (), lesson.before)


def _versions(eye: Eye) -> dict[str, str]:
    """Return the versions of what took part, as far as it is installed."""
    found = {}
    for name in eye.tools:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _golden(lesson: Lesson) -> Golden:
    """Return the golden outputs: computed, or out of those of the pack below."""
    tensors, below = lesson.widened.tensors, lesson.ground.golden
    found = lesson.sight.looking.eye.golden(_golden_images(lesson), tensors)
    if found is not None:
        return found
    if below is None:
        raise ValueError("what computes no golden outputs teaches on a pack alone")
    return wide_golden(below, tensors)


def _golden_images(lesson: Lesson) -> NDArray[np.uint8]:
    """Return the ground's golden inputs and one of what was taught, or all of it for words.

    Of people none, because packs travel.
    """
    before = lesson.ground.images
    if pack_class(lesson.request.name, lesson.sight.prompts).observation_type not in (
        "animal",
        "blank",
    ):
        return before
    own = lesson.sight.pixels[:1] if lesson.ground.manifest else lesson.sight.pixels
    room = SYNTHETIC + GOLDEN_FRAMES - len(before)
    return np.concatenate([before, own[: max(room, 1)]])


def _router(lesson: Lesson) -> RouterRow:
    """Return which images the pack is for: those that it was for, and what it was taught."""
    own = router_row(lesson.request.name, lesson.sight.base)
    before = lesson.ground.router
    if before is None:
        return own
    keys = np.concatenate([before.keys, own.keys])
    return RouterRow(own.name, keys, before.scale, before.threshold, left_out=before.left_out)


def _attributes(lesson: Lesson) -> dict[str, bytes]:
    """Return the files by which the pack answers in words, as they are."""
    manifest, on = lesson.ground.manifest, lesson.ground.folder
    if manifest is None or on is None:
        return {}
    names = (ATTRIBUTES_FILE, ATTRIBUTE_TENSORS_FILE)
    return {name: (on / name).read_bytes() for name in names if name in manifest.files}


def _earlier_report(lesson: Lesson) -> dict[str, str]:
    """Return the looks at test images that the earlier pack remembers."""
    on = lesson.ground.folder
    path = on / REPORT_FOLDER / OPENINGS_FILE if on else None
    return {OPENINGS_FILE: path.read_text(encoding="utf-8")} if path and path.is_file() else {}


def _earlier_figures(earlier: PackManifest | None) -> Mapping[str, float]:
    """Return from how little earlier classes were taught; other figures are of another pack."""
    known = earlier.metrics if earlier else {}
    return {key: value for key, value in known.items() if key.startswith(PREFIX)}


def _accounts(lesson: Lesson) -> list[dict[str, object]]:
    account = lesson.account
    return [{**vars(account), "said": account.said}]
