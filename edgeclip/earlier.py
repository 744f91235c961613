"""An earlier pack as the ground of a further training: its adapters stay as they are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgeclip.adapters.changed_encoder import changed_encoder
from edgeclip.adapters.component import Frozen
from edgeclip.adapters.composing import frozen_parts
from edgeclip.contract.hashing import sha256_file
from edgeclip.contract.pack import PackManifest, read_pack_manifest
from edgeclip.errors import ConfigError
from edgeclip.evaluated_parts import SPLIT_FILE
from edgeclip.openings import REPORT_FOLDER
from edgeclip.pack_parts import read_parts
from edgeclip.packs import check_golden, load_pack
from edgeclip.split_file import read_split_rows
from edgeclip.split_rows import LEARNED_FROM
from edgeclip.taught import NOTHING_TAUGHT, Taught

if TYPE_CHECKING:
    from edgeclip.clip import Backbone


@dataclass(frozen=True)
class Earlier:
    """What a training stands on.

    Attributes:
        parts: Adapters of the earlier pack; none without a pack.
        changed: The encoder with the changes that the pack makes to its weights, or None.
        manifest: Of the earlier pack, or None.
    """

    parts: tuple[Frozen, ...] = ()
    changed: Backbone | None = None
    manifest: PackManifest | None = None


def taught_by(folder: Path | None) -> Taught:
    """Return what an earlier pack learned from, and those that it stands on.

    Args:
        folder: The earlier pack, or None.

    Raises:
        PackError: It is none, or damaged.
        DataError: Its split cannot be read.
    """
    if folder is None:
        return NOTHING_TAUGHT
    training, path = read_pack_manifest(folder).training, folder / REPORT_FOLDER / SPLIT_FILE
    if not path.is_file():
        return Taught(folder, {}, is_known=False)
    rows = {name: row for name, row in read_split_rows(path).items() if row.part in LEARNED_FROM}
    is_whole = sha256_file(path) == training.split_sha256
    return Taught(folder, rows, is_known=training.earlier_known and is_whole)


def read_earlier(folder: Path | None, backbone: Backbone, prompts_sha256: str) -> Earlier:
    """Return the adapters of a pack, to train others beside them.

    Args:
        folder: The earlier pack, or None.
        backbone: The encoder of the training.
        prompts_sha256: Of its classes and prompts, in order.

    Raises:
        ConfigError: The pack has other classes or prompts, or slots inside the encoder.
        PackError: It is damaged, for another encoder, or does not say what its adapters are.
    """
    if folder is None:
        return Earlier()
    pack = load_pack(folder)
    check_golden(pack, backbone)
    if pack.manifest.prompts_sha256 != prompts_sha256:
        raise ConfigError(
            f"--on {folder} has other classes or prompts than this training:"
            f" it knows {', '.join(pack.manifest.class_names)}; give the same --class and --prompt"
        )
    if pack.manifest.graph != "head":
        raise ConfigError(
            f"--on {folder} has adapters inside the encoder ({pack.manifest.method}): train them"
            " together with the others, by one --method"
        )
    parts = frozen_parts(read_parts(folder, pack.manifest, pack.tensors)[1])
    is_changed = pack.manifest.is_bake_only
    changed = changed_encoder(backbone, pack.tensors)[0] if is_changed else None
    return Earlier(tuple(parts), changed, pack.manifest)
