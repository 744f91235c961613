"""A pack, or a set of packs, that answers in torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from edgeclip.adapters.changed_encoder import changed_encoder
from edgeclip.adapters.pack_outputs import outputs_of
from edgeclip.archive.answering import Answer, Answerer, Asked, Facts, as_answers
from edgeclip.attributes.reading import untouched_bank
from edgeclip.clip import Backbone, load_backbone
from edgeclip.contract.pack import PackManifest
from edgeclip.errors import ConfigError
from edgeclip.packs import check_golden, load_pack
from edgeclip.routed_packs import RoutedPacks, load_routed
from edgeclip.set_files import SET_FILE


def open_pack(asked: Asked) -> Answerer:
    """Return a pack or set, on its encoder; see `open_answerer`."""
    if asked.backend not in ("auto", "torch"):
        raise ConfigError(
            f"--backend {asked.backend} runs bundles, and {asked.path} is a pack: export it with"
            " `edgeclip-export`, or use --backend torch"
        )
    if asked.task:
        raise ConfigError(f"--task chooses a pack of a bundle, and {asked.path} is none")
    torch.set_num_threads(1)  # the parts of an archive share the cores, and sums stay the same
    if (asked.path / SET_FILE).is_file():
        return SetAnswers(asked)
    return PackAnswers(asked)


class PackAnswers:
    """One pack of any kind."""

    def __init__(self, asked: Asked) -> None:
        self._pack = load_pack(asked.path)
        self.attributes = untouched_bank(asked.path, self._pack.manifest)
        encoder = _encoder(self._pack.manifest, asked)
        check_golden(self._pack, encoder)
        self._encoder, self._slots = changed_encoder(encoder, self._pack.tensors)

    @property
    def manifest(self) -> PackManifest:
        """Of the pack."""
        return self._pack.manifest

    @property
    def name(self) -> str:
        """Pack, version and runtime."""
        return f"{self.manifest.task}@{self.manifest.version} torch fp32"

    def answer(self, views: NDArray[np.uint8], facts: Sequence[Facts]) -> list[Answer]:
        """Return an answer for each view; see `Answerer`."""
        del facts
        outputs = outputs_of(views, self._encoder, self._slots)
        features = outputs.base_embedding.numpy() if self.attributes else None
        return as_answers(outputs.probabilities.numpy(), self.manifest, features)


class SetAnswers:
    """A set of packs: each image is answered by the pack that it is for, from one pass."""

    attributes = None  # each pack has its own, and a table one header

    def __init__(self, asked: Asked) -> None:
        self._packs: RoutedPacks = load_routed(asked.path)
        self._encoder = _encoder(self.manifest, asked)
        self._path: Path = asked.path
        for pack in self._packs.packs.values():
            check_golden(pack, self._encoder)

    @property
    def manifest(self) -> PackManifest:
        """Of the first pack; classes and preprocessing are those of all."""
        return self._packs.manifest

    @property
    def name(self) -> str:
        """All packs, and the runtime."""
        named = (f"{name}@{pack.manifest.version}" for name, pack in self._packs.packs.items())
        return f"{', '.join(named)} torch fp32"

    def answer(self, views: NDArray[np.uint8], facts: Sequence[Facts]) -> list[Answer]:
        """Return an answer for each view; see `Answerer`."""
        _, embedded = self._encoder.embed_images(views)
        base = embedded.numpy()
        base = base / np.linalg.norm(base, axis=1, keepdims=True)
        answers = self._packs.answer(base, facts)
        return [
            Answer(row, chosen)
            for row, chosen in zip(answers.probabilities, answers.chosen, strict=True)
        ]


def _encoder(manifest: PackManifest, asked: Asked) -> Backbone:
    if asked.backbone:
        return load_backbone(asked.backbone, asked.pretrained)
    base = manifest.base
    named = asked.pretrained or (None if base.arch == "demo" else base.pretrained)
    return load_backbone(base.arch, named)
