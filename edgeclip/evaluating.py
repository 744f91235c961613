"""The whole of `edgeclip evaluate`: a pack at its own thresholds on labelled images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgeclip.clip import load_backbone
from edgeclip.errors import DataError
from edgeclip.evaluation.result import Evaluation, evaluate
from edgeclip.feature_cache import FeatureCache
from edgeclip.features import encode_regions
from edgeclip.labels.reading import ReadingOptions
from edgeclip.opening import open_dataset
from edgeclip.packs import check_golden, load_pack
from edgeclip.parts import PartData
from edgeclip.progress import Bars
from edgeclip.regions import Strips, regions_of


@dataclass(frozen=True)
class EvaluationRequest:
    """What to measure on what.

    Attributes:
        pack: The pack's folder.
        reading: The labelled images; `classes` empty where labels are the pack's class names.
        backbone: The encoder's name here, or None for the pack's name for it.
        pretrained: Its weights, likewise.
    """

    pack: Path
    reading: ReadingOptions
    backbone: str | None
    pretrained: str | None


def evaluate_pack(request: EvaluationRequest, *, bars: Bars) -> tuple[Evaluation, list[str]]:
    """Return the figures, and the pack's class names.

    Images of other classes than the pack's are left out. No strip is cut: a pack does not know
    the camera's.

    Raises:
        DataError: No image has a class of the pack.
        PackError: The pack is damaged, or for another encoder.
    """
    pack = load_pack(request.pack)
    names = pack.manifest.class_names
    base = pack.manifest.base
    pretrained = request.pretrained or (None if request.backbone else base.pretrained)
    backbone = load_backbone(request.backbone or base.arch, pretrained)
    check_golden(pack, backbone)
    dataset = open_dataset(request.reading, bars)
    images = [image for image in dataset.images if image.class_name in names]
    if not images:
        found = ", ".join(dataset.class_names)
        raise DataError(
            f"{request.reading.data}: no image of {', '.join(names)}; found {found}:"
            " map them by --class"
        )
    regions = regions_of(images, range(len(images)), views=1)
    features = encode_regions(
        images,
        regions,
        backbone,
        cache=FeatureCache(None),
        strips=Strips(),
        advance=bars.add("encoding", len(regions)),
    )
    part = PartData(images, regions, features, names)
    targets = [names.index(name) for name in pack.manifest.targets]
    indices, probabilities = part.score(pack.tensors, pack.manifest.column_class, targets)
    result = evaluate(
        probabilities,
        part.classes_of(indices),
        part.locations_of(indices),
        class_names=names,
        on={name: item.on for name, item in pack.manifest.thresholds.items()},
    )
    return result, names
