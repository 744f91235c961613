"""Attributes for a pack that is there already: a new pack, whose adapters keep their bits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from edgeclip.attributes.making import Made, Seen, label_columns, make_attributes, see_animals
from edgeclip.clip import Backbone
from edgeclip.contract.attributes import AskedGroup
from edgeclip.contract.files import refuse_filled
from edgeclip.contract.pack import PACK_FILE, PackManifest
from edgeclip.contract.slots import reaches_inside
from edgeclip.errors import ConfigError
from edgeclip.feature_cache import FeatureCache
from edgeclip.features import cache_folder
from edgeclip.labels.reading import ReadingOptions
from edgeclip.labels.sequence_labels import for_learning
from edgeclip.opening import open_dataset
from edgeclip.openings import REPORT_FOLDER
from edgeclip.pack_making import version_after
from edgeclip.packs import check_backbone, load_pack, write_pack
from edgeclip.progress import Bars
from edgeclip.regions import Strips


@dataclass(frozen=True)
class Addition:
    """What is added to which pack.

    Attributes:
        pack: Its folder; it stays as it is.
        out: The pack to be.
        groups: What is asked.
        reading: Labelled images to calibrate on, or None.
        cache: Where features are kept, or None.
        overwrite: Replace a pack that is there, which may be this one.
    """

    pack: Path
    out: Path
    groups: Sequence[AskedGroup]
    reading: ReadingOptions | None = None
    cache: Path | None = None
    overwrite: bool = False


def refuse_changed_encoder(manifest: PackManifest) -> None:
    """Refuse attributes of a pack whose features are not those of the text tower's encoder.

    Raises:
        ConfigError: It reaches into the encoder.
    """
    if reaches_inside(manifest.slots) or manifest.is_bake_only:
        raise ConfigError(
            f"{manifest.task} {manifest.version} ({manifest.method}) changes the encoder, whose"
            " features attributes are answered on: use a pack of the head, such as visual or tip"
        )


def add_attributes(
    addition: Addition, backbone: Backbone, *, at: datetime, bars: Bars
) -> tuple[PackManifest, Made]:
    """Write a pack with attributes, and return its manifest and what was made.

    Args:
        addition: What is added.
        backbone: The pack's encoder.
        at: Aware UTC.
        bars: Progress.

    Raises:
        ConfigError: The pack changes its encoder, or `out` is not empty and not to be replaced.
        PackError: The pack is damaged, or of another encoder.
        DataError: The labelled images cannot be read.
    """
    refuse_filled(addition.out, overwrite=addition.overwrite, marker=PACK_FILE)
    pack = load_pack(addition.pack)
    check_backbone(pack.manifest, backbone)
    refuse_changed_encoder(pack.manifest)
    made = make_attributes(
        addition.groups, backbone, _seen(addition, pack.manifest, backbone, bars)
    )
    files = {name: (addition.pack / name).read_bytes() for name in pack.manifest.files}
    report = {
        path.name: path.read_text(encoding="utf-8")
        for path in sorted((addition.pack / REPORT_FOLDER).glob("*"))
        if path.is_file()
    }
    update = {"version": version_after(pack.manifest, pack.manifest.task), "created_at": at}
    manifest = pack.manifest.model_copy(update=update)
    written = write_pack(
        addition.out, manifest, files | made.files, report=report, overwrite=addition.overwrite
    )
    return written, made


def _seen(
    addition: Addition, manifest: PackManifest, backbone: Backbone, bars: Bars
) -> Seen | None:
    if addition.reading is None:
        return None
    columns = {"columns": label_columns(addition.groups)}
    dataset = for_learning(open_dataset(addition.reading.model_copy(update=columns), bars))
    return see_animals(
        dataset.images,
        range(len(dataset.images)),
        backbone,
        cache=FeatureCache(cache_folder(addition.cache, backbone.base.weights_sha256)),
        strips=Strips(manifest.strip_top_px or 0, manifest.strip_bottom_px or 0),
        bars=bars,
    )
