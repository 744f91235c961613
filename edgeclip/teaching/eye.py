"""What looks at images in a teaching: the frozen encoder and the head behind it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from edgeclip.adapters.stored import Tensors
from edgeclip.contract.pack import Base
from edgeclip.contract.preprocess_spec import PreprocessSpec
from edgeclip.packs import Golden, Pack

Floats = NDArray[np.float32]


class Looked(NamedTuple):
    """What is seen in m inputs with a pack's tensors.

    Attributes:
        features: `(m, E)` float32, unit, after the adapters.
        base: `(m, E)` float32, unit, before them.
        logits: `(m, K)` float32, not divided by the temperature.
    """

    features: Floats
    base: Floats
    logits: Floats


class Eye(Protocol):
    """A frozen encoder on one runtime."""

    @property
    def base(self) -> Base:
        """Which encoder it is."""

    @property
    def preprocess(self) -> PreprocessSpec:
        """How a frame becomes its input."""

    @property
    def tools(self) -> tuple[str, ...]:
        """Distributions whose versions the pack states."""

    def look(self, pixels: NDArray[np.uint8], tensors: Tensors) -> Looked:
        """Return what is seen in inputs.

        Args:
            pixels: `(m, S, S, 3)` uint8, RGB, m >= 1.
            tensors: A pack's.
        """

    def check(self, pack: Pack) -> None:
        """Check that a pack is of this encoder, and that its golden outputs come out again.

        Raises:
            PackError: It is of another encoder, or they do not.
            BackendError: The runtime computes something else.
        """

    def text(self, sentences: Sequence[str]) -> Floats | None:
        """Return `(E,)` the unit mean of sentences; None where it reads no words."""

    def start(
        self, columns: Sequence[Sequence[str]], column_class: Sequence[int]
    ) -> Tensors | None:
        """Return class_weights, class_bias and logit_scale of words; None where it reads none.

        Args:
            columns: K lists of sentences.
            column_class: The class of each.
        """

    def golden(self, images: NDArray[np.uint8], tensors: Tensors) -> Golden | None:
        """Return what torch computes for golden inputs; None where it computes a little otherwise.

        Args:
            images: `(n, S, S, 3)` uint8, RGB.
            tensors: Of the pack to be.
        """
