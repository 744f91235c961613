"""An adapter taken out of a pack: the others stay bit for bit, and nothing is trained again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgeclip.adapters.stored import TAUGHT, Stored, compose, pack_fusion
from edgeclip.contract.attributes import ATTRIBUTE_TENSORS_FILE, ATTRIBUTES_FILE
from edgeclip.contract.files import refuse_filled
from edgeclip.contract.pack import PACK_FILE, PARTS_FILE, ROUTER_FILE, TENSORS_FILE, PackManifest
from edgeclip.contract.slots import graph_of
from edgeclip.errors import ConfigError
from edgeclip.evaluated_parts import SPLIT_FILE
from edgeclip.openings import REPORT_FOLDER
from edgeclip.pack_parts import adapter_records, parts_bytes, read_parts
from edgeclip.packs import Pack, check_golden, golden_outputs, load_pack, pack_files, write_pack
from edgeclip.wordless import wordless_classes

if TYPE_CHECKING:
    from edgeclip.clip import Backbone

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Removal:
    """What is taken out of which pack.

    Attributes:
        pack: Its folder; it stays as it is.
        kind: Of the adapter, as `pack.json` names it.
        out: The pack to be.
        overwrite: Replace a pack that is there, which may be this one.
    """

    pack: Path
    kind: str
    out: Path
    overwrite: bool = False


def remove_adapter(removal: Removal, backbone: Backbone, *, at: datetime) -> PackManifest:
    """Write a pack without one of its adapters, and return its manifest.

    Golden outputs are computed by the encoder, before and after. Figures are those of the whole
    pack and are left out; temperature and thresholds, which are too, stay, since a device
    needs some. `report/split.csv` stays: it says what taught the pack.

    Args:
        removal: What is taken out.
        backbone: The pack's encoder.
        at: Aware UTC.

    Raises:
        ConfigError: The pack has no such adapter, or `out` is not empty and not to be
            replaced.
        PackError: The pack is damaged, of another encoder, or does not say what its adapters are.
    """
    refuse_filled(removal.out, overwrite=removal.overwrite, marker=PACK_FILE)
    pack = load_pack(removal.pack)
    check_golden(pack, backbone)
    start, parts = read_parts(removal.pack, pack.manifest, pack.tensors)
    kept = [part for part in parts if part.kind != removal.kind]
    if len(kept) == len(parts):
        has = ", ".join(part.kind for part in parts) or "none"
        raise ConfigError(f"{removal.pack} has no adapter {removal.kind}: it has {has}")
    nameless = wordless_classes(start, pack.manifest) if removal.kind == TAUGHT else []
    if nameless:
        raise ConfigError(
            f"{removal.pack} knows {', '.join(nameless)} by images alone, which are in {TAUGHT}:"
            " without it nothing is left of the class; take the pack that it was taught to"
        )
    tensors = _tensors(pack, start, kept)
    binaries = {
        **pack_files(tensors, golden_outputs(pack.golden.images, backbone, tensors)),
        PARTS_FILE: parts_bytes(start, kept),
    }
    split = removal.pack / REPORT_FOLDER / SPLIT_FILE
    for name in (ROUTER_FILE, ATTRIBUTES_FILE, ATTRIBUTE_TENSORS_FILE):
        if name in pack.manifest.files:
            binaries[name] = (removal.pack / name).read_bytes()
    report = {SPLIT_FILE: split.read_text(encoding="utf-8")} if split.is_file() else {}
    manifest = _manifest(pack, tensors, kept).model_copy(update={"created_at": at})
    return write_pack(removal.out, manifest, binaries, report=report, overwrite=removal.overwrite)


def _tensors(pack: Pack, start: dict[str, Floats], kept: list[Stored]) -> dict[str, Floats]:
    same = {name: pack.tensors[name] for name in ("temperature",) if name in pack.tensors}
    return {**compose(start, kept), **same}


def _manifest(pack: Pack, tensors: dict[str, Floats], kept: list[Stored]) -> PackManifest:
    from edgeclip.kinds import ZERO_SHOT

    return pack.manifest.model_copy(
        update={
            "method": "+".join(part.kind for part in kept) or ZERO_SHOT,
            "fusion_class": pack_fusion(tensors, (part.fusion for part in kept)),
            "graph": graph_of(tensors),
            "slots": {name: list(tensors[name].shape) for name in sorted(tensors)},
            "adapters": adapter_records(kept),
            "metrics": {},
            "training": pack.manifest.training.model_copy(
                update={"earlier_sha256": pack.manifest.files[TENSORS_FILE]}
            ),
        }
    )
