"""`edgeclip evaluate` of a set of packs: which pack answers for new images, and how rightly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeclip.cache_store import CacheStore
from edgeclip.clip import Backbone, load_backbone
from edgeclip.contract.static_facts import facts_of_image
from edgeclip.errors import ConfigError, DataError
from edgeclip.evaluated_parts import roles_of
from edgeclip.evaluation_images import read_evaluation_images
from edgeclip.evaluation_request import EvaluationRequest
from edgeclip.feature_cache import FeatureCache
from edgeclip.features import cache_folder, encode_regions
from edgeclip.labels.dataset import LabelledImage
from edgeclip.openings import Opening, opening_note, record_opening
from edgeclip.packs import check_golden
from edgeclip.progress import Bars
from edgeclip.regions import Region, Strips
from edgeclip.routed_packs import Answers, RoutedPacks, load_routed
from edgeclip.set_files import parts_of


@dataclass(frozen=True)
class TargetScore:
    """How well a class is found, at the thresholds of the packs that answered.

    Attributes:
        support: Images of the class.
        found: Of these, so many raised it.
        false_alarms: Images of other classes that raised it.
    """

    support: int
    found: int
    false_alarms: int

    @property
    def recall(self) -> float | None:
        """In [0, 1]; None where the class is not there."""
        return self.found / self.support if self.support else None

    @property
    def precision(self) -> float | None:
        """In [0, 1]; None where nothing was raised."""
        raised = self.found + self.false_alarms
        return self.found / raised if raised else None


@dataclass(frozen=True)
class SetResult:
    """What an evaluation of a set gave.

    Attributes:
        images: Judged: those that no pack of the set learned from.
        accuracy: Share of them whose likeliest class is right.
        answered: Images by the pack that answered, or weighed most.
        prompts_alone: Images that no pack answered for.
        targets: By class.
        notes: What a reader must know.
    """

    images: int
    accuracy: float
    answered: Mapping[str, int]
    prompts_alone: int
    targets: Mapping[str, TargetScore]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the figures as JSON values."""
        scores = {
            name: {**vars(own), "precision": own.precision, "recall": own.recall}
            for name, own in self.targets.items()
        }
        return {**vars(self), "targets": scores, "notes": list(self.notes)}


def refuse_for_sets(request: EvaluationRequest, *, device_given: bool) -> None:
    """Refuse options that judge one pack.

    Raises:
        ConfigError: One was given.
    """
    given = {
        "--report": request.report, "--baseline": request.baselines, "--split": request.split,
        "--background-check": request.background_check, "--overwrite": request.overwrite,
        "--allow-random-split": request.allow_random_split, "--device": device_given,
        "--resnet-weights": request.resnet_weights,
        "--strip-top-px": request.strip_top_px is not None,
        "--strip-bottom-px": request.strip_bottom_px is not None,
    }  # fmt: skip
    if named := [option for option, value in given.items() if value]:
        raise ConfigError(
            f"{named[0]} is of one pack, and {request.pack} is a set: leave it out, or evaluate a"
            f" pack of the set, in {request.pack / 'packs'}"
        )


def evaluate_set(
    request: EvaluationRequest, facts: Mapping[str, str], *, at: datetime, bars: Bars
) -> SetResult:
    """Return how right a set is on whole frames that none of its packs learned from.

    The look is recorded in each pack of the set, before anything is shown.

    Args:
        request: What to measure.
        facts: What a person knows of all images, for static keys; goes before what each says.
        at: Aware UTC, of the look.
        bars: Progress.

    Raises:
        DataError: No image may be judged on.
        PackError: The set is damaged, or for another encoder.
    """
    routed, folders = load_routed(request.pack), [path for _, path, _ in parts_of(request.pack)]
    backbone = _encoder(routed, request)
    names = routed.manifest.class_names
    images = read_evaluation_images(request.reading, names, bars).images
    judged = [images[index] for index in _new_to_all(images, folders, request.pack)]
    base = _encoded(judged, routed, backbone, request, bars)
    openings = [record_opening(own, Opening.of(judged, "evaluate", at)) for own in folders]
    known = [
        facts_of_image(image.location or "", routed.rows, facts, infrared=image.facts.is_infrared)
        for image in judged
    ]
    answers = routed.answer(base, known)
    truth = np.array([names.index(image.class_name) for image in judged])
    looked = opening_note(openings[0])
    chosen = Counter(name for name in answers.chosen if name is not None)
    return SetResult(
        images=len(judged),
        accuracy=float((answers.probabilities.argmax(axis=1) == truth).mean()),
        answered={name: chosen[name] for name in routed.packs},
        prompts_alone=len(judged) - chosen.total(),
        targets=_targets(routed, answers, truth),
        notes=(looked,) if looked else (),
    )


def _new_to_all(images: Sequence[LabelledImage], folders: Sequence[Path], packs: Path) -> list[int]:
    """Return the images that every pack of a set may be judged on."""
    parts = [set(roles_of(images, folder).judged) for folder in folders]
    if not (found := sorted(set.intersection(*parts))):
        raise DataError(
            f"no image is new to every pack of {packs}: name images of other places with --data"
        )
    return found


def _encoded(
    images: Sequence[LabelledImage],
    routed: RoutedPacks,
    backbone: Backbone,
    request: EvaluationRequest,
    bars: Bars,
) -> NDArray[np.float32]:
    manifest = routed.manifest
    store = CacheStore(request.cache, request.cache_gb) if request.cache else None
    folder = cache_folder(request.cache, manifest.base.weights_sha256)
    features = encode_regions(
        images,
        [Region(index, None, 0) for index in range(len(images))],
        backbone,
        cache=FeatureCache(folder, store),
        strips=Strips(manifest.strip_top_px or 0, manifest.strip_bottom_px or 0),
        advance=bars.add("encoding", len(images)),
    )
    return np.asarray(features.f / np.linalg.norm(features.f, axis=1, keepdims=True), np.float32)


def _targets(
    routed: RoutedPacks, answers: Answers, truth: NDArray[np.int64]
) -> dict[str, TargetScore]:
    """Return how well each class is found; prompts alone have no thresholds, and raise nothing."""
    names = routed.manifest.class_names
    raised = np.zeros(answers.probabilities.shape, bool)
    for row, chosen in enumerate(answers.chosen):
        limits = routed.packs[chosen].manifest.thresholds if chosen else {}
        for name, limit in limits.items():
            place = names.index(name)
            raised[row, place] = answers.probabilities[row, place] >= limit.on
    asked = dict.fromkeys(name for own in routed.packs.values() for name in own.manifest.targets)
    scores = {}
    for name in asked:
        place = names.index(name)
        is_it, says_it = truth == place, raised[:, place]
        found, false = int((is_it & says_it).sum()), int((~is_it & says_it).sum())
        scores[name] = TargetScore(int(is_it.sum()), found, false)
    return scores


def _encoder(routed: RoutedPacks, request: EvaluationRequest) -> Backbone:
    """Return the packs' encoder, after the golden outputs of each came out again."""
    base = routed.manifest.base
    pretrained = request.pretrained or (None if request.backbone else base.pretrained)
    backbone = load_backbone(request.backbone or base.arch, pretrained)
    for pack in routed.packs.values():
        check_golden(pack, backbone)
    return backbone
