"""Image files -> the answers of a set of packs, from one pass through the frozen encoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timezone
from pathlib import Path

import numpy as np

from edgeclip.archive.looking import Looking, Seen
from edgeclip.clip import load_backbone
from edgeclip.contract.static_facts import facts_of_image
from edgeclip.errors import DataError
from edgeclip.labels.scan import read_image_file
from edgeclip.packs import check_golden
from edgeclip.regions import Strips
from edgeclip.routed_packs import Answers, load_routed


@dataclass(frozen=True)
class Asked:
    """What a set of packs says of images.

    Attributes:
        class_names: In the order of the probabilities.
        images: Those that could be read.
        answers: One an image of `images`.
        unreadable: The others, and why.
    """

    class_names: list[str]
    images: list[Path]
    answers: Answers
    unreadable: Mapping[Path, str]

    def require_all(self) -> None:
        """Raise where an image could not be read.

        Raises:
            DataError: There is one; the message names the first.
        """
        for path, why in self.unreadable.items():
            total = len(self.images) + len(self.unreadable)
            raise DataError(
                f"{path}: {why}; {len(self.unreadable)} of {total} images have no answer"
            )


def ask_images(
    folder: Path,
    images: Sequence[Path],
    facts: Mapping[str, str],
    *,
    backbone: str | None = None,
    pretrained: str | None = None,
) -> Asked:
    """Return what a set of packs says of whole frames.

    Args:
        folder: The set, or one pack.
        images: Files.
        facts: What a person knows of all of them, for static keys; goes before what each says: its
            light, and the folders that it lies in.
        backbone: As `edgeclip train` takes it; None: what the packs name.
        pretrained: Likewise.

    Raises:
        PackError: The packs are damaged, of another encoder, or do not give their golden outputs.
        DataError: No image can be read.
    """
    packs = load_routed(folder)
    manifest = packs.manifest
    named = (backbone, pretrained) if backbone else (manifest.base.arch, manifest.base.pretrained)
    encoder = load_backbone(*(("demo", None) if named[0] == "demo" else named))
    for pack in packs.packs.values():
        check_golden(pack, encoder)
    strips = Strips(manifest.strip_top_px or 0, manifest.strip_bottom_px or 0)
    looking = Looking(encoder.preprocess, strips, timezone.utc)
    seen: dict[Path, Seen] = {}
    unreadable: dict[Path, str] = {}
    for path in images:
        try:
            seen[path] = looking.look(path.name, read_image_file(path))
        except DataError as error:
            unreadable[path] = str(error)
    if not seen:
        path, why = next(iter(unreadable.items()))
        raise DataError(f"{path}: {why}")
    _, f = encoder.embed_images(np.stack([own.views[0] for own in seen.values()]))
    base = f.numpy()
    base = base / np.linalg.norm(base, axis=1, keepdims=True)
    known = [
        facts_of_image(path.absolute().parent.as_posix(), packs.rows, facts, infrared=own.infrared)
        for path, own in seen.items()
    ]
    answers = packs.answer(base, known)
    return Asked(manifest.class_names, list(seen), answers, unreadable)
