"""The encoder out of an exported bundle, by ONNX Runtime: no torch, so that it starts at once.

A bundle holds the image side alone, with weights rounded to FP16: it reads no words, and what it
computes lies within the bundle's tolerance of torch's.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgeclip.adapters.stored import Tensors
from edgeclip.contract.binding import slots_to_bind
from edgeclip.contract.bundle import BundleManifest, read_bundle
from edgeclip.contract.engine_gate import Outputs, engine_parity
from edgeclip.contract.pack import Base
from edgeclip.contract.preprocess_spec import PreprocessSpec
from edgeclip.errors import BackendError, PackError
from edgeclip.onnx_session import OnnxSession
from edgeclip.packs import Pack
from edgeclip.teaching.eye import Looked

_IMAGES_AT_ONCE = 4  # more only cost memory
_WANTED = ("image_features", "base_embedding", "logits", "probabilities")


class BundleEye:
    """See `Eye`.

    Args:
        bundle: Its folder; no pack is baked into it.

    Raises:
        BundleMissingError: There is none.
        BundleDamagedError: A file is missing or altered.
        BundleMismatchError: It is of another format, or has no graph for ONNX Runtime.
        SetupError: ONNX Runtime is not installed.
        BackendError: It cannot load the graph.
    """

    def __init__(self, bundle: Path) -> None:
        self._bundle = bundle
        self._manifest: BundleManifest = read_bundle(bundle)
        self._session = OnnxSession(bundle, self._manifest, threads=0, at_once=_IMAGES_AT_ONCE)

    @property
    def base(self) -> Base:
        """Which encoder it is."""
        return self._manifest.base

    @property
    def preprocess(self) -> PreprocessSpec:
        """How a frame becomes its input."""
        return self._manifest.preprocess

    @property
    def tools(self) -> tuple[str, ...]:
        """Distributions whose versions the pack states; one of the runtimes is installed."""
        return ("edgeclip", "onnxruntime", "onnxruntime-gpu")

    def look(self, pixels: NDArray[np.uint8], tensors: Tensors) -> Looked:
        """Return what is seen in inputs; see `Eye`."""
        features, base, logits, _ = self._outputs(pixels, tensors)
        return Looked(features, base, logits)

    def check(self, pack: Pack) -> None:
        """Compare a pack's golden outputs within the bundle's tolerance; see `Eye`."""
        own, tolerance = pack.manifest, self._manifest.tolerance
        named = f"{own.task}@{own.version}"
        if own.base.weights_sha256 != self.base.weights_sha256:
            raise PackError(
                f"--on: {named} stands on {own.base.arch} ({own.base.weights_sha256[:12]}),"
                f" {self._bundle} holds {self.base.arch} ({self.base.weights_sha256[:12]}): name a"
                " bundle of that encoder"
            )
        if own.preprocess != self.preprocess:
            raise PackError(f"{self._bundle} has another preprocessing than {named}: export again")
        features, _, _, probabilities = self._outputs(pack.golden.images, pack.tensors)
        golden = Outputs(pack.golden.image_features, pack.golden.probabilities)
        parity = engine_parity(golden, Outputs(features, probabilities), own, tolerance)
        if problems := parity.problems(tolerance):
            raise BackendError(
                f"{self._bundle} does not compute what {named} promises: {'; '.join(problems)}:"
                " export the bundle again"
            )

    def text(self, sentences: Sequence[str]) -> None:
        """Return nothing: a bundle has no text encoder; see `Eye`."""
        del sentences

    def start(self, columns: Sequence[Sequence[str]], column_class: Sequence[int]) -> None:
        """Return nothing, like `text`; see `Eye`."""
        del columns, column_class

    def golden(self, images: NDArray[np.uint8], tensors: Tensors) -> None:
        """Return nothing: its weights are rounded; see `Eye`."""
        del images, tensors

    def _outputs(self, pixels: NDArray[np.uint8], tensors: Tensors) -> list[NDArray[np.float32]]:
        return self._session.run(_WANTED, pixels, slots_to_bind(self._manifest, tensors))
