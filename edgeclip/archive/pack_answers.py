"""A pack, or a set of packs, that answers in torch."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from edgeclip.adapters.head_graph import patch_scores
from edgeclip.adapters.pack_cells import CellReader, PackCells
from edgeclip.archive.answering import Answer, Answerer, Asked, OnePack, Views
from edgeclip.archive.beside import Beside
from edgeclip.archive.several_packs import SeveralPacks
from edgeclip.clip import Backbone, load_backbone
from edgeclip.contract.pack import PackManifest
from edgeclip.errors import ConfigError
from edgeclip.packs import check_golden, load_pack
from edgeclip.routed_packs import load_routed
from edgeclip.set_files import SET_FILE

RUNTIME = "torch fp32"


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


class PackAnswers(OnePack):
    """One pack of any kind."""

    def __init__(self, asked: Asked) -> None:
        pack = load_pack(asked.path)
        super().__init__(pack.manifest, RUNTIME, Beside.read(asked.path, pack.manifest))
        encoder = _encoder(pack.manifest, asked)
        check_golden(pack, encoder)
        self._outputs = PackCells(encoder, pack.tensors)

    def answer(self, views: Views) -> list[Answer]:
        """Return an answer for each view; see `Answerer`."""
        outputs, scores = self._outputs(views.pixels)
        columns, base = outputs.probabilities.numpy(), outputs.base_embedding.numpy()
        return self.answers(columns, base, scores.numpy())


class SetAnswers(SeveralPacks):
    """A set of packs: each image is answered by the pack that it is for, from one pass."""

    def __init__(self, asked: Asked) -> None:
        super().__init__(load_routed(asked.path), RUNTIME)
        encoder = _encoder(self.manifest, asked)
        for pack in self.packs.packs.values():
            check_golden(pack, encoder)
        self._read = CellReader(encoder)

    def answer(self, views: Views) -> list[Answer]:
        """Return an answer for each view; see `Answerer`."""
        _, embedded, cells = self._read(views.pixels)
        base = embedded.numpy()
        base = base / np.linalg.norm(base, axis=1, keepdims=True)
        return self.routed(base, views, lambda row, chosen: self._scores(cells[row], chosen))

    def _scores(self, cells: torch.Tensor, chosen: str | None) -> NDArray[np.float32]:
        """Return `(N - 1, K)` of cells `(N - 1, E)` by the pack that answered."""
        packs = self.packs
        tensors = packs.zero_shot if chosen is None else packs.packs[chosen].tensors
        weights = torch.from_numpy(np.array(tensors["class_weights"]))
        scores: NDArray[np.float32] = patch_scores(cells[None], weights)[0].numpy()
        return scores


def _encoder(manifest: PackManifest, asked: Asked) -> Backbone:
    if asked.backbone:
        return load_backbone(asked.backbone, asked.pretrained)
    base = manifest.base
    named = asked.pretrained or (None if base.arch == "demo" else base.pretrained)
    return load_backbone(base.arch, named)
