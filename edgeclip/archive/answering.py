"""Who answers for an archive's images: a pack or a set in torch, or a bundle in its own runtime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edgeclip.archive.deciding import Deciders
from edgeclip.contract.attribute_answers import AttributeBank
from edgeclip.contract.pack import PackManifest
from edgeclip.contract.postprocess import class_probabilities
from edgeclip.regions import Strips

Facts = Mapping[str, str]


@dataclass(frozen=True)
class Answer:
    """What is said of one view.

    Attributes:
        probabilities: `(C,)` float32 in [0, 1], calibrated, sum 1.
        pack: Which pack of a set said it, or None for its prompts alone.
        features: `(E,)` float32 of the untouched encoder, unit norm, where attributes ask for them.
        cells: `(N - 1, K)` float32, how much each cell is like each of the pack's columns; None
            where the runtime does not say.
    """

    probabilities: NDArray[np.float32]
    pack: str | None
    features: NDArray[np.float32] | None = None
    cells: NDArray[np.float32] | None = None


class Answerer(Protocol):
    """Answers for views; may be asked by several threads at once."""

    @property
    def manifest(self) -> PackManifest:
        """Classes and preprocessing."""

    @property
    def deciders(self) -> Deciders:
        """Whose thresholds decide on an answer."""

    @property
    def name(self) -> str:
        """Pack, version and runtime, for the outputs."""

    @property
    def attributes(self) -> AttributeBank | None:
        """What is asked in words beside the class; None where nothing is."""

    def answer(
        self,
        views: NDArray[np.uint8],
        facts: Sequence[Facts],
        frames: Sequence[int] | None = None,
    ) -> list[Answer]:
        """Return an answer for each view.

        Args:
            views: `(B, S, S, 3)` uint8, RGB.
            facts: What is known of each, for the static keys of a set.
            frames: For each view the row of the whole frame that it is of, by which a set chooses
                who answers; None: each is a frame.

        Raises:
            BackendError: The runtime failed.
        """


def strips_of(manifest: PackManifest) -> Strips:
    """Return the rows that a pack was trained without."""
    return Strips(manifest.strip_top_px or 0, manifest.strip_bottom_px or 0)


def as_answers(
    columns: NDArray[np.float32],
    manifest: PackManifest,
    *,
    features: NDArray[np.float32] | None = None,
    cells: NDArray[np.float32] | None = None,
) -> list[Answer]:
    """Return answers of one pack.

    Args:
        columns: `(B, K)` float32, probabilities of its columns.
        manifest: Of the pack.
        features: `(B, E)` float32 of the untouched encoder, where attributes ask for them.
        cells: `(B, N - 1, K)` float32, the graph's `patch_scores`, where it says.
    """
    classes = class_probabilities(columns, manifest.column_class, len(manifest.class_names))
    nothing = [None] * len(classes)
    rows = zip(
        classes,
        nothing if features is None else features,
        nothing if cells is None else cells,
        strict=True,
    )
    return [Answer(row, manifest.task, own, scores) for row, own, scores in rows]


@dataclass(frozen=True)
class Asked:
    """Which answerer a person asked for.

    Attributes:
        path: A pack, a set of packs, or a bundle.
        task: Of a bundle of several packs, or None.
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
    from edgeclip.contract.bundle import MANIFEST_FILE

    if (asked.path / MANIFEST_FILE).is_file():
        from edgeclip.archive.bundle_answers import open_bundle

        return open_bundle(asked)
    from edgeclip.archive.pack_answers import open_pack

    return open_pack(asked)
