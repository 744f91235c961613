"""Who answers for an archive's images: a pack or a set in torch, or a bundle in its own runtime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edgeclip.archive.beside import Beside
from edgeclip.archive.deciding import Deciders
from edgeclip.contract.attribute_answers import AttributeBank
from edgeclip.contract.bundle import MANIFEST_FILE, read_bundle, tasks_of
from edgeclip.contract.familiarity import Familiar
from edgeclip.contract.pack import PackManifest
from edgeclip.contract.postprocess import class_probabilities
from edgeclip.contract.routing import RouterRow
from edgeclip.regions import Strips
from edgeclip.set_files import SET_FILE

Facts = Mapping[str, str]
Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Views:
    """What is asked about.

    Attributes:
        pixels: `(B, S, S, 3)` uint8, RGB.
        facts: What is known of each, for the static keys of several packs.
        frames: For each view the row of the whole frame that it is of, by which several packs
            choose who answers; None: each is a frame.
    """

    pixels: Pixels
    facts: Sequence[Facts]
    frames: Sequence[int] | None = None


@dataclass(frozen=True)
class Answer:
    """What is said of one view.

    Attributes:
        probabilities: `(C,)` float32 in [0, 1], calibrated, sum 1.
        pack: Which pack of a set said it, or None for its prompts alone.
        features: `(E,)` float32 of the untouched encoder, unit norm, where attributes ask for them.
        cells: `(N - 1, K)` float32, how much each cell is like each of the pack's columns; None
            where the runtime does not say.
        distance: From what the packs have seen (`Familiar.distances`); None where that is not
            known.
    """

    probabilities: NDArray[np.float32]
    pack: str | None
    features: NDArray[np.float32] | None = None
    cells: NDArray[np.float32] | None = None
    distance: float | None = None


class Answerer(Protocol):
    """Answers for views; may be asked by several threads at once."""

    @property
    def manifest(self) -> PackManifest:
        """Classes and preprocessing; of several packs those of the first, which all share."""

    @property
    def deciders(self) -> Deciders:
        """Whose thresholds decide on an answer."""

    @property
    def rows(self) -> Sequence[RouterRow]:
        """Between which an image's pack is chosen; none where one pack answers for all."""

    @property
    def unsaid(self) -> Sequence[str]:
        """What its packs could tell and do not in this run, a line each, with what to do."""

    @property
    def familiar(self) -> Familiar | None:
        """What the packs have seen; None where they do not say, or change the encoder."""

    @property
    def name(self) -> str:
        """Packs, versions and runtime, for the outputs."""

    @property
    def banks(self) -> Mapping[str, AttributeBank]:
        """What is asked in words beside the class, by the name of the pack that asks."""

    def answer(self, views: Views) -> list[Answer]:
        """Return an answer for each view.

        Raises:
            BackendError: The runtime failed.
        """


class OnePack:
    """What is the same of one pack on any runtime.

    Args:
        manifest: Of the pack.
        runtime: And its precision.
        beside: What is answered on the features of the encoder.
    """

    rows: Sequence[RouterRow] = ()
    unsaid: Sequence[str] = ()

    def __init__(self, manifest: PackManifest, runtime: str, beside: Beside) -> None:
        self.manifest = manifest
        asked = beside.attributes
        self.banks = {manifest.task: asked} if asked else {}
        self.familiar = beside.familiar
        self.deciders = Deciders({manifest.task: manifest})
        self.name = f"{manifest.task}@{manifest.version} {runtime}"

    def answers(
        self,
        columns: NDArray[np.float32],
        base: NDArray[np.float32],
        cells: NDArray[np.float32] | None,
    ) -> list[Answer]:
        """Return the answers of a pass.

        Args:
            columns: `(B, K)` float32, probabilities of the pack's columns.
            base: `(B, E)` float32, what the encoder says before the adapters.
            cells: `(B, N - 1, K)` float32, the graph's `patch_scores`, where it says.
        """
        manifest, count = self.manifest, len(columns)
        classes = class_probabilities(columns, manifest.column_class, len(manifest.class_names))
        nothing = [None] * count
        rows = zip(
            classes,
            base if self.banks else nothing,
            nothing if cells is None else cells,
            distances_of(self.familiar, base),
            strict=True,
        )
        return [Answer(row, manifest.task, own, scores, far) for row, own, scores, far in rows]


def distances_of(familiar: Familiar | None, base: NDArray[np.float32]) -> list[float | None]:
    """Return how far each of B embeddings is from what packs have seen; None where nobody knows."""
    return [None] * len(base) if familiar is None else list(map(float, familiar.distances(base)))


def strips_of(manifest: PackManifest) -> Strips:
    """Return the rows that a pack was trained without."""
    return Strips(manifest.strip_top_px or 0, manifest.strip_bottom_px or 0)


@dataclass(frozen=True)
class Asked:
    """Which answerer a person asked for.

    Attributes:
        path: A pack, a set of packs, or a bundle.
        task: Of a bundle of several packs the one that answers for all images, or None.
        backend: auto, torch, onnxruntime or tensorrt.
        backbone: As `edgeclip train` takes it; None: what the pack names.
        pretrained: Likewise.
    """

    path: Path
    task: str | None = None
    backend: str = "auto"
    backbone: str | None = None
    pretrained: str | None = None


def open_answerer(asked: Asked) -> Answerer:
    """Return who answers, after the golden outputs were computed rightly.

    Raises:
        ConfigError: The backend does not go with what was named.
        PackError: A pack is damaged, or of another encoder.
        BundleMissingError: There is no bundle.
        BundleDamagedError: A file of it is missing or altered.
        BundleMismatchError: It is of other software, or has no engine for this machine.
        SetupError: The runtime is not installed, or weights are not here.
        BackendError: It computes something else than the exporter did.
    """
    if is_bundle(asked.path):
        from edgeclip.archive.opened_bundle import open_bundle

        return open_bundle(asked)
    from edgeclip.archive.pack_answers import open_pack

    return open_pack(asked)


def is_bundle(path: Path) -> bool:
    """Say whether a folder holds a bundle."""
    return (path / MANIFEST_FILE).is_file()


def is_routed(asked: Asked) -> bool:
    """Say whether several packs share the images, as far as what lies there can be read.

    Args:
        asked: Pack, set or bundle.
    """
    if (asked.path / SET_FILE).is_file():
        return True
    if asked.task is not None or not is_bundle(asked.path):
        return False
    return len(tasks_of(read_bundle(asked.path, check_hashes=False))) > 1
