"""Image files -> the answers of a set of packs, from one pass through the frozen encoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from edgeclip.clip import load_backbone
from edgeclip.contract.preprocess import decode_image
from edgeclip.errors import DataError
from edgeclip.labels.scan import read_image_file
from edgeclip.packs import check_golden
from edgeclip.regions import Region, Strips, pixels_of
from edgeclip.routed_packs import Answers, load_routed


def ask_images(
    folder: Path,
    images: Sequence[Path],
    facts: Mapping[str, str],
    *,
    backbone: str | None = None,
    pretrained: str | None = None,
) -> tuple[list[str], Answers]:
    """Return the classes, and what a set of packs says of whole frames.

    Args:
        folder: The set, or one pack.
        images: Files.
        facts: What is known of all of them, for static keys.
        backbone: As `edgeclip train` takes it; None: what the packs name.
        pretrained: Likewise.

    Raises:
        PackError: The packs are damaged, of another encoder, or do not give their golden outputs.
        DataError: An image cannot be read.
    """
    packs = load_routed(folder)
    manifest = packs.manifest
    named = (backbone, pretrained) if backbone else (manifest.base.arch, manifest.base.pretrained)
    encoder = load_backbone(*(("demo", None) if named[0] == "demo" else named))
    for pack in packs.packs.values():
        check_golden(pack, encoder)
    strips = Strips(manifest.strip_top_px or 0, manifest.strip_bottom_px or 0)
    inputs = []
    for path in images:
        try:
            frame = decode_image(read_image_file(path))
        except DataError as error:
            raise DataError(f"{path}: {error}") from error
        region = Region(0, None, 0)
        inputs.append(pixels_of(frame, region, "", spec=encoder.preprocess, strips=strips))
    _, f = encoder.embed_images(np.stack(inputs))
    base = f.numpy()
    base = base / np.linalg.norm(base, axis=1, keepdims=True)
    return manifest.class_names, packs.answer(base, [facts] * len(images))
