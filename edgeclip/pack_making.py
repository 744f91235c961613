"""What a training leaves behind, put into a pack's manifest and golden inputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgeclip.adapters.stored import pack_fusion
from edgeclip.contract.pack import (
    PARTS_FILE,
    ROUTER_FILE,
    TENSORS_FILE,
    Base,
    PackClass,
    PackManifest,
    Thresholds,
    Training,
    version_numbers,
)
from edgeclip.contract.preprocess_spec import PreprocessSpec
from edgeclip.contract.routing import RouterRow
from edgeclip.contract.slots import graph_of
from edgeclip.labels.classes import observation_type
from edgeclip.labels.dataset import Dataset
from edgeclip.labels.scan import read_image_file
from edgeclip.pack_parts import adapter_records, parts_bytes
from edgeclip.packs import golden_outputs, pack_files
from edgeclip.prompts import ClassPrompts, column_class, prompts_sha256
from edgeclip.regions import Region, Strips
from edgeclip.routed_packs import router_bytes
from edgeclip.splits import Split
from edgeclip.stored_image import StoredImage
from edgeclip.task_names import task_name

if TYPE_CHECKING:  # what trains is heavy, and a pack is made without it, too
    from edgeclip.clip import Backbone
    from edgeclip.config import TrainConfig
    from edgeclip.evaluation.result import Evaluation
    from edgeclip.learning import Learned
    from edgeclip.run_costs import LearningCosts
    from edgeclip.unlabelled import FrameUse

FIRST_VERSION = "1.0.0"
GOLDEN_FRAMES = 10  # beside six synthetic ones: with 13 a pack for 224 px takes over 2 MB
SYNTHETIC = 6
"""Golden inputs that no camera made; they stand first."""


@dataclass(frozen=True)
class Trained:
    """A finished training.

    Attributes:
        config: All of the run.
        dataset: What it was trained on.
        split: Of its images.
        base: The frozen encoder.
        preprocess: Of the encoder.
        prompts: By class, in order.
        learned: What the training decided.
        thresholds: By target, of the chosen head.
        evaluations: `zero-shot` and `adapter`, on the test part.
        meta_sha256: Of the meta-adapter's weights, where the method has one.
        router: Which images the pack is for, where packs are combined.
        costs: Seconds of what was learned.
        earlier: Of the pack that it stands on, or None.
        frames: What became of frames without labels; None where there were none.
    """

    config: TrainConfig
    dataset: Dataset
    split: Split
    base: Base
    preprocess: PreprocessSpec
    prompts: Mapping[str, ClassPrompts]
    learned: Learned
    thresholds: Mapping[str, Thresholds]
    evaluations: Mapping[str, Evaluation]
    costs: LearningCosts
    meta_sha256: str | None = None
    router: RouterRow | None = None
    earlier: PackManifest | None = None
    frames: FrameUse | None = None


def version_after(earlier: PackManifest | None, task: str) -> str:
    """Return the version of a pack for which none is stated: a bundle takes only a higher one.

    Args:
        earlier: Of the pack that it stands on, or None.
        task: Of the pack to be.
    """
    if earlier is None or earlier.task != task:
        return FIRST_VERSION
    major, minor, _ = version_numbers(earlier.version)
    return f"{major}.{minor + 1}.0"


def make_manifest(trained: Trained, created_at: datetime) -> PackManifest:
    """Return the pack's manifest, still without the hashes of its files.

    Args:
        trained: The finished training.
        created_at: Aware UTC.
    """
    config, chosen = trained.config, trained.learned.choice.chosen
    method = trained.learned.method
    task = config.task or task_name(list(trained.thresholds))
    return PackManifest(
        task=task,
        version=config.version or version_after(trained.earlier, task),
        created_at=created_at,
        tool={name: version(name) for name in ("edgeclip", "torch", "open_clip_torch")},
        method=method.name,
        recipe_sha256=config.recipe.sha256,
        fusion_class=pack_fusion(chosen.tensors, (part.fusion for part in chosen.parts)),
        graph=graph_of(chosen.tensors),
        slots={name: list(chosen.tensors[name].shape) for name in sorted(chosen.tensors)},
        adapters=adapter_records(chosen.parts),
        share=chosen.share,
        base=trained.base,
        preprocess=trained.preprocess,
        strip_top_px=config.recipe.strip_top_px,
        strip_bottom_px=config.recipe.strip_bottom_px,
        classes=[pack_class(name, item) for name, item in trained.prompts.items()],
        column_class=column_class(trained.prompts),
        prompts_sha256=prompts_sha256(trained.prompts),
        thresholds=dict(trained.thresholds),
        temperature=chosen.score.temperature,
        training=_training(trained),
        metrics=_metrics(trained),
        files={},
    )


def pack_binaries(trained: Trained, backbone: Backbone, strips: Strips) -> dict[str, bytes]:
    """Return the content of the pack's binary files by name.

    Args:
        trained: The finished training.
        backbone: Its frozen encoder.
        strips: Rows that are cut from frames.
    """
    choice = trained.learned.choice
    images = golden_images(trained.dataset, trained.split, trained.preprocess, strips)
    tensors = choice.chosen.tensors
    row = {ROUTER_FILE: router_bytes(trained.router)} if trained.router else {}
    return {
        **row,
        **pack_files(tensors, golden_outputs(images, backbone, tensors)),
        PARTS_FILE: parts_bytes(choice.zero_shot.tensors, choice.chosen.parts),
    }


def golden_images(
    dataset: Dataset, split: Split, spec: PreprocessSpec, strips: Strips
) -> NDArray[np.uint8]:
    """Return golden inputs `(n, S, S, 3)` uint8: six synthetic ones, and training frames.

    The frames are spread over the training part; none shows people, because packs travel.
    """
    images = list(synthetic_images(spec))
    shown = [
        index
        for index in split.indices("train")
        if observation_type(dataset.images[index].class_name) in ("animal", "blank")
    ]
    for place in np.linspace(0, len(shown) - 1, min(GOLDEN_FRAMES, len(shown))):
        index = shown[int(place)]
        image = dataset.images[index]
        shape, data = (image.facts.height, image.facts.width), read_image_file(image.path)
        images.append(StoredImage(data, shape, spec, strips).input(Region(index, None, 0)))
    return np.stack(images)


def synthetic_images(spec: PreprocessSpec) -> NDArray[np.uint8]:
    """Return `(6, S, S, 3)` uint8: black, white, noise, grey, saturated colours, a grey slope."""
    noise = np.random.default_rng(0).integers(0, 256, (spec.size, spec.size, 3), np.uint8)
    slope = np.linspace(0, 255, spec.size).astype(np.uint8)[None, :, None]
    return np.stack(
        [
            np.zeros_like(noise), np.full_like(noise, 255), noise, np.full_like(noise, 128),
            noise // 128 * np.uint8(255), np.broadcast_to(slope, noise.shape),
        ]
    )  # fmt: skip


def pack_class(name: str, prompts: ClassPrompts) -> PackClass:
    """Return a class as `pack.json` has it."""
    return PackClass(
        name=name,
        observation_type=observation_type(name),
        prompts=prompts.sentences,
        columns=[len(column) for column in prompts.columns],
    )


def _training(trained: Trained) -> Training:
    split, images, recipe = trained.split, trained.dataset.images, trained.config.recipe
    return Training(
        images=len(images),
        labels_used=len(split.indices("train")) + len(split.indices("validation")),
        steps=trained.learned.steps(recipe),
        seed=recipe.seed,
        trainable_params=trained.learned.trained_parameters,
        data_sha256=trained.dataset.sha256,
        split_sha256=split.sha256(images),
        meta_sha256=None if trained.learned.kept_floor else trained.meta_sha256,
        earlier_sha256=trained.earlier.files[TENSORS_FILE] if trained.earlier else None,
        earlier_known=split.before.is_known,
    )


def _metrics(trained: Trained) -> dict[str, float]:
    choice = trained.learned.choice
    metrics = {
        "held_out/adapter/average_precision": choice.chosen.score.average_precision,
        "held_out/zero-shot/average_precision": choice.zero_shot.score.average_precision,
        "held_out/adapter/log_loss": choice.chosen.score.log_loss,
        "held_out/zero-shot/log_loss": choice.zero_shot.score.log_loss,
        "share": choice.chosen.share,
    }
    rounded = {name: round(value, 6) for name, value in metrics.items()}
    rounded |= trained.frames.metrics() if trained.frames else {}
    for name, result in trained.evaluations.items():
        rounded |= result.flat(f"test/{name}")
    return rounded
