"""A pack, or a set of packs, that answers in torch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from edgeclip.adapters.head_graph import patch_scores
from edgeclip.adapters.pack_cells import CellReader, PackCells
from edgeclip.archive.answering import Answer, Answerer, Asked, Facts, as_answers
from edgeclip.archive.deciding import Deciders
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
        self._outputs = PackCells(encoder, self._pack.tensors)

    @property
    def manifest(self) -> PackManifest:
        """Of the pack."""
        return self._pack.manifest

    @property
    def deciders(self) -> Deciders:
        """The pack alone."""
        return Deciders({self.manifest.task: self.manifest})

    @property
    def name(self) -> str:
        """Pack, version and runtime."""
        return f"{self.manifest.task}@{self.manifest.version} torch fp32"

    def answer(
        self,
        views: NDArray[np.uint8],
        facts: Sequence[Facts],
        frames: Sequence[int] | None = None,
    ) -> list[Answer]:
        """Return an answer for each view; see `Answerer`."""
        del facts, frames
        outputs, scores = self._outputs(views)
        features = outputs.base_embedding.numpy() if self.attributes else None
        columns = outputs.probabilities.numpy()
        return as_answers(columns, self.manifest, features=features, cells=scores.numpy())


class SetAnswers:
    """A set of packs: each image is answered by the pack that it is for, from one pass."""

    attributes = None  # each pack has its own, and a table one header

    def __init__(self, asked: Asked) -> None:
        self._packs: RoutedPacks = load_routed(asked.path)
        encoder = _encoder(self.manifest, asked)
        for pack in self._packs.packs.values():
            check_golden(pack, encoder)
        self._read = CellReader(encoder)

    @property
    def manifest(self) -> PackManifest:
        """Of the first pack; classes and preprocessing are those of all."""
        return self._packs.manifest

    @property
    def deciders(self) -> Deciders:
        """Each pack, for what it answers."""
        return Deciders({name: pack.manifest for name, pack in self._packs.packs.items()})

    @property
    def name(self) -> str:
        """All packs, and the runtime."""
        named = (f"{name}@{pack.manifest.version}" for name, pack in self._packs.packs.items())
        return f"{', '.join(named)} torch fp32"

    def answer(
        self,
        views: NDArray[np.uint8],
        facts: Sequence[Facts],
        frames: Sequence[int] | None = None,
    ) -> list[Answer]:
        """Return an answer for each view; see `Answerer`."""
        _, embedded, cells = self._read(views)
        base = embedded.numpy()
        base = base / np.linalg.norm(base, axis=1, keepdims=True)
        chosen_by = None if frames is None else base[list(frames)]
        answers = self._packs.answer(base, facts, chosen_by=chosen_by)
        rows = zip(answers.probabilities, answers.chosen, cells, strict=True)
        return [Answer(row, chosen, cells=self._scores(own, chosen)) for row, chosen, own in rows]

    def _scores(self, cells: torch.Tensor, chosen: str | None) -> NDArray[np.float32]:
        """Return `(N - 1, K)` of cells `(N - 1, E)` by the pack that answered."""
        tensors = self._packs.zero_shot if chosen is None else self._packs.packs[chosen].tensors
        weights = torch.from_numpy(np.array(tensors["class_weights"]))
        scores: NDArray[np.float32] = patch_scores(cells[None], weights)[0].numpy()
        return scores


def _encoder(manifest: PackManifest, asked: Asked) -> Backbone:
    if asked.backbone:
        return load_backbone(asked.backbone, asked.pretrained)
    base = manifest.base
    named = asked.pretrained or (None if base.arch == "demo" else base.pretrained)
    return load_backbone(base.arch, named)
